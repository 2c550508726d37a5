// Package shiny knows what Shiny is like on the wire: which path is what
// (plain httpuv, Shiny Server and its SockJS transports), how a path is
// written to a log, and which last bytes each kind of client understands as
// "you may not stay". It holds no state and does no I/O.
//
// Sources: the path shapes of shiny (srcts/src/shiny/shinyapp.ts,
// R/server.R), Shiny Server (lib/proxy/sockjs.js, errorcode.js), the SockJS
// 0.3 protocol, and RFC 6455 for the frames.
package shiny
