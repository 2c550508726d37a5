// The people of the real-world suite, as the issuer knows them.
export const namespace = 'https://fastproxy.test/claims';

function person(sub, password, claims, groups) {
  return { password, claims: { sub, ...claims, ...(groups && { [namespace + '/groups']: groups }) } };
}

export const people = {
  // kim sees everything; a name outside ASCII.
  kim: person('auth0|5ad0c0ffee0000000000a001', 'pass-kim', {
    email: 'kim@example.org', email_verified: true, name: 'Kim Sørensen', nickname: 'kim', locale: 'nb',
    picture: 'https://example.org/kim.png',
  }, ['Admin', 'Finance']),
  // sam sees one company only.
  sam: person('auth0|5ad0c0ffee0000000000a002', 'pass-sam', {
    email: 'sam@example.org', email_verified: true, name: 'Sam', nickname: 'sam',
  }, ['DL']),
  // robin's ID token is bare: e-mail and groups come from /userinfo, and the
  // groups hold what a comma-joined header has to escape.
  robin: { ...person('google-oauth2|103547991597142817347', 'pass-robin', {
    email: 'robin@example.net', email_verified: true, name: 'Robin', nickname: 'robin',
  }, ['R&D, Oslo', 'Ärzte', '100%']), thin: true },
  // lee has no groups and an address nobody has confirmed.
  lee: person('auth0|5ad0c0ffee0000000000a004', 'pass-lee', { email: 'kim@example.org', email_verified: false, name: 'Lee' }),
  // blair is turned away by the issuer itself.
  blair: { ...person('auth0|5ad0c0ffee0000000000a005', 'pass-blair', { name: 'Blair' }), blocked: true },
};
