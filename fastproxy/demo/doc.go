// Package demo is a neighbourhood in one process: a pocket Auth0 that signs
// people in, and a pocket Shiny that shows them their data. `fastproxy demo`
// puts the proxy between the two, so that a visitor sees the whole thing work
// before anything is set up, and the project's own tests have both neighbours
// without a network.
//
// Neither is a mock that says yes. Auth0 runs the real authorization code flow
// (PKCE, single-use codes, allow-lists, rotating keys); Shiny speaks the wire
// shapes that plain Shiny and open-source Shiny Server were seen to speak,
// including the awkward ones (no Close frame at the end, Location without the
// public prefix, chunked uploads refused, `Connection: close`).
//
// Both let anybody in who can reach them, so Run takes loopback listeners
// only. The package is an island: it imports nothing else of the project.
package demo
