// Package bench measures proxies and Shiny servers, any of them: of this
// project it uses the event loop and nothing else. Command fastbench is its
// command line.
//
// A scenario is a function: it takes options and a context, writes a Live
// while it runs, prints nothing, and returns a Result; when the context ends
// early it still does. What cannot begin as asked is a *UsageError.
//
//	Hold, Chat, HTTP         many connections on an event-driven client
//	Storm, Replay, Record    few, each as a browser's
//	Compare                  a plan of the first three over several targets
//
// # Files
//
//	result.go options.go options_sessions.go live.go   what goes in and comes out
//	client.go fleet.go conn.go frame.go tls.go …       the event-driven client
//	talk.go churn.go asking.go                         what it says, to whom and when
//	visitor.go signin.go form.go …                     a browser, as far as HTTP goes
//	recording.go replay.go sockjs.go record.go …       shinyloadtest's recordings
//	plan.go scenario.go                                a comparison, as it is written down
//	compare.go stage.go program.go foreign.go          … and as it is run
//	comparison.go table.go gates.go benchmarks.go      … and what it comes to
//	progress.go summary.go report.go output.go         for people, and as JSON
//	figures.go units.go                                how figures are named and written
//	report/                                            the page, with uPlot in it
//	peers/                                             fastproxy against nginx, HAProxy, …
package bench
