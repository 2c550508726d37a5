package fastproxy

import (
	"slices"

	"go.uber.org/zap"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
)

// passwdChanged ends the sessions of people whose line was changed or removed,
// and the streams of those whom their groups admit no more.
func (p *Proxy) passwdChanged() {
	p.current.Load().gate.BumpEpoch()
	n, err := p.registry.EndWhere(func(v session.Info) bool {
		if v.Line == "" {
			return false
		}
		now, there := p.passwd.Fingerprint(v.Key.Subject)
		return !there || now != v.Line
	}, session.WhyPasswordChanged)
	streams := p.registry.CloseStreams(p.isBarred, session.WhyRuleChanged)
	p.log.Logger().Info("flat file read anew", zap.Int("fastproxy.users", p.passwd.Users()), zap.Int("fastproxy.sessions_ended", n),
		zap.Int("fastproxy.streams_closed", streams), zap.NamedError("error.message", err))
	for _, w := range p.passwd.Warnings() {
		p.log.Logger().Warn(w)
	}
}

// isBarred reports a stream of somebody of the flat file whom the rule that let
// them in would not admit with the groups of now. Where a connection leads to
// apps of other rules as well, it is enough that the groups are others: some of
// those may be open in it.
func (p *Proxy) isBarred(s session.Stream) bool {
	var in pass
	switch e := s.(type) {
	case *tunnelEnd:
		in = e.pass
	case *streamEnd:
		in = e.pass
	case *errandEnd:
		in = e.pass
	}
	if in.who == nil || in.who.Method != identity.MethodPasswd || p.current.Load().settings.Passwd.GroupsFile == "" {
		return false
	}
	now := *in.who
	now.Groups = p.passwd.Groups(now.Subject)
	return !in.rule.Admits(&now) || !slices.Equal(now.Groups, in.who.Groups) && !p.current.Load().table.AloneOnServer(in.rule)
}

func (p *Proxy) passwdBroken(err error) {
	p.log.Logger().Error("the flat file has mistakes; the last good one stays in force", zap.NamedError("error.message", err))
}
