// Package fastproxy is the front door of R Shiny servers: it signs people in,
// remembers the decision, tells Shiny who is there, and carries HTTP and
// WebSocket bytes between them.
//
// This text is the architecture. What a room promises is said in its own
// package comment; here stands how they fit, and why.
//
// # The rooms
//
//	5  cmd/fastproxy  cmd/sspasswd  cmd/fastbench
//	4  fastproxy (this package: the only one that knows    bench (an island, but for
//	   fasthttp and Prometheus)                            loop)
//	3  gate                                                demo (an island)
//	2  policy  session  oidc  audit  upstream  relay
//	1  config  passwd  loop  jwks  cache
//	0  identity  secret  shiny
//
// Imports go only downwards, never sideways; arch_test.go holds that, and that
// each dependency has one owner. A room that needs a neighbour declares a small
// interface and is handed it: gate judges bearer tokens through a Verifier,
// session closes streams without knowing what a tunnel is.
//
// # One request
//
// The path is straight calls, no middleware:
//
//	conn      reads one head from the socket, with a deadline and a size
//	scan      judges its raw bytes; refused: 400 and the connection ends
//	exchange  hands the same bytes to fasthttp's parser, which must agree
//	serve     one of our own pages? else policy.Table.Judge picks the mount
//	admit     lends the credentials to gate.Recall, else gate.Decide
//	headers   writes the head for Shiny: the client's lines, less what only we
//	          may say, plus who is there
//	forward   sends it over a pooled connection, streams both ways at once
//	answer    passes Shiny's own head bytes on, with the few edits of headers
//	record    one access record into audit's ring
//
// Why not fasthttp.Server and fasthttp.Client: the server parses, answers
// Expect and reads 8 KB of body before a handler may object; the client
// rewrites cookies, dates and content types, retries what was sent already,
// and cannot see the visitor leave. So fasthttp does what it is best at, the
// request head, arguments and forms, and the answers of our own pages; the
// life of a connection is ours. exchange is the seam: serve works on an
// exchange and does not know who read the head.
//
// # Two engines
//
// The walk above is the portable engine's: a goroutine for each connection
// (conn, transfer), on every system. Where there is epoll, connections wait in
// lanes instead, one on each event loop, and nearly all requests are carried
// there without a goroutine and without allocating:
//
//	entrance  accepts, on the first lane, for the lane with the fewest clients
//	caller    a client's connection: 100 bytes while it waits for a head
//	errand    one request to Shiny and its answer back: scan, table.Judge,
//	          gate.Recall, headers and answerHead as above, and the same record
//	strand    a connection to Shiny; spares keep those that may be used again
//	loan      everything else: the connection goes to a worker, which is a conn
//	          that answers one request by serve and gives the connection back
//
// An errand does what is certain to end in forward: isPlain asks serve's
// questions in serve's order and answers none. Whatever is not a plain yes is
// lent, before Shiny has seen anything, with the bytes that were read: pages of
// ours, refusals, credentials that nobody remembers, chunked bodies, SockJS
// streams. When Shiny fails, the worker is told how, and says the page. So
// there is one place for every answer of ours, and lanes have none.
//
// Lanes hold nothing for who is slow. An answer's first piece is read; of what
// follows the client is shown what lies in Shiny's socket (MSG_PEEK), and what
// it took is discarded there. Bodies go the same way in the other direction,
// and a form of ours, or a small body, is awaited whole before a worker sees it.
// Two thousand slow clients take 2 to 3 KB each (attack_flood_test.go), but for
// people who are signed in and send chunked bodies slowly: a worker carries
// those, of some 26 KB.
//
// Differences from the design, and why: lanes do not run fasthttp's parser
// (nothing of it is used there, and FuzzScan holds that it reads what scan
// lets pass in the same way; it took 0.9 µs of 20); bodies and upgrades are not
// lent, because a worker for each slow upload was 29 KB, and an upgrade by a
// worker cost twice nginx's; one lane accepts for all, since with more each
// newcomer wakes them all; listeners are plain TCP, because Go's default, MPTCP,
// loses the options that sockets inherit, and one of those is that what stays on
// this machine is not paced (loop.Unpace).
//
// There is no io_uring engine. A prototype of the byte path alone (multishot
// receive, provided buffers, batched sends; no scanner, half-close, counts or
// back-pressure) took 0.84 to 1.00 of the epoll relay's CPU per message flat out
// and 0.74 to 0.90 at 4,000 round trips a second, and it would cost a kilobyte
// of the kernel's memory for each tunnel and a second engine to keep honest.
//
// ENGINE=portable switches the lanes off; make test runs this package's tests
// over both.
//
// # One WebSocket
//
// The handshake goes the same road. On 101 the tunnel is first bound to the
// visitor's session (the design had this after relay.Join: bound before, a
// session that ended meanwhile is still answered with a plain 401), then
// Shiny's own 101 is written, both connections with the bytes already read go
// to relay.Join, and it starts. The goroutine that served the request ends.
//
// Relay has two engines behind one conformance suite: goroutines, on every
// connection and system, and event loops, one for each processor, for plain
// sockets on Linux. The second is what a large audience needs: a silent tunnel
// is two rows of a table and a struct. A handshake on a lane ends in
// relay.Adopt: both descriptors stay in the loop that watches them, and only
// their handlers change. What Proxy hands to relay may run on a loop and must
// not block: done callbacks, inspectors, endings.
//
// # Apps inside a connection
//
// Shiny Server's client opens apps by name inside one SockJS connection. Where
// the mounts of a server do not all have one rule, opens.go gives the tunnel,
// or the xhr_send body, a reader (shiny.Opens) that asks for each name whether
// the visitor could have it by its address (policy.Table.Reaches), before the
// last byte of the command passes. Ids in SockJS paths are capabilities;
// sockets.go remembers whose they are.
//
// # What is true of a session
//
// The cookie is the session as it began, sealed; it holds no tokens. What has
// happened since is session.Live, one record for each session in this process,
// restored from a journal after a restart. gate remembers what a credential
// proved together with a pointer to the Live, so every remembered answer still
// asks whether the session has ended, which costs an atomic load. Endings
// have one door, session.Registry.End: it marks the Live, closes the streams
// bound to it in words that their client understands, and is on disk before it
// returns.
//
// # What may be answered from memory
//
// gate.Recall never blocks and allocates nothing; gate.Decide may wait for the
// issuer's keys. Rules are asked each time and never remembered. Only positive
// proofs are remembered, under the SHA-256 of the credential and an epoch that
// is read before the proof: a changed password file bumps it.
//
// # Generations
//
// Everything that follows from settings is one snapshot, built whole and
// swapped by one pointer; a request reads it once.
//
// # Deadlines
//
// A head has 10 s, an idle connection 60 s. Bodies and answers have an
// allowance (pace.go) that moving bytes refill, so that who sends nothing is
// gone in 10 s and who is slow but steady is never cut. Shiny has
// UPSTREAM_HEADER_TIMEOUT to begin an answer and no limit after that. Tunnels
// have none: TCP keep-alive finds the dead.
//
// # Room
//
// Every client connection enters capacity when it is accepted, and leaves when
// it is closed for good. When MAX_CONNECTIONS are inside, or the descriptors
// are nearly gone, acceptors stop and are told of room again; nobody polls, and
// nobody inside is refused anything. Admission reckons two descriptors for a
// client, so that whoever is let in finds the second one.
//
// # What leaves the package
//
// Nothing borrowed: gate.Request is lent for a call, records are copies. No
// token, code, cookie or password is in a struct that outlives its call, in an
// error, a record, a metric or a page; visitors get a request id, the log has
// the reason.
package fastproxy
