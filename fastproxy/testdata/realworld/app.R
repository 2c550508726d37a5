# A Shiny app that shows what reaches it: who it is told is there, the headers
# of its page and of its WebSocket, and everything Shiny does over HTTP beside
# them: plot, upload, downloads, bookmark.
#
#   PORT=3838 Rscript app.R      (LC_ALL=C.UTF-8 for the non-ASCII file name)
#
# PARENT_PID: the process whose end ends this one.
suppressPackageStartupMessages(library(shiny))

cat(R.version.string, "\n", sep = "")
cat("shiny version ", as.character(packageVersion("shiny")),
    ", httpuv ", as.character(packageVersion("httpuv")), "\n", sep = "")
flush(stdout())

# Every header but those in which no two browsers agree.
told <- function(req) {
  names <- sort(grep("^HTTP_", ls(req), value = TRUE))
  names <- grep("^HTTP_(ACCEPT|SEC_|USER_AGENT|UPGRADE_|CACHE_|PRAGMA)", names, value = TRUE, invert = TRUE)
  paste(vapply(names, function(n) paste0(n, ": ", req[[n]]), ""), collapse = "\n")
}

page <- function(req) {
  fluidPage(
    title = "fastproxy: a real Shiny app",
    titlePanel("Old Faithful, behind fastproxy"),
    p("Signed in as ", strong(textOutput("who", inline = TRUE)), " · ",
      a(href = "/.fastproxy/session", "session"), " · ", a(href = "/logout", id = "signout", "sign out")),
    sidebarLayout(
      sidebarPanel(
        sliderInput("n", "Bins", min = 1, max = 500, value = 20),
        fileInput("file", "A file of yours"),
        verbatimTextOutput("uploaded"),
        downloadButton("data", "Download the data"), br(), br(),
        downloadButton("umlaut", "Download \u00dcbersicht"), br(), br(),
        bookmarkButton()
      ),
      mainPanel(
        plotOutput("plot", height = "260px"),
        textOutput("bins"),
        h4("The page's headers, ui(req)"),
        tags$pre(id = "page_headers", told(req)),
        h4("The WebSocket's headers, session$request"),
        verbatimTextOutput("socket_headers"),
        h4("session$user, session$groups"),
        verbatimTextOutput("credentials")
      )
    )
  )
}

server <- function(input, output, session) {
  output$who <- renderText(if (is.null(session$user)) "nobody" else session$user)
  output$credentials <- renderText(as.character(jsonlite::toJSON(
    list(user = session$user, groups = session$groups), auto_unbox = FALSE, null = "null")))
  output$socket_headers <- renderText(told(session$request))

  output$bins <- renderText(paste(input$n, "bins"))
  output$plot <- renderPlot(
    hist(faithful$eruptions, breaks = seq(1.5, 5.2, length.out = input$n + 1),
         col = "#4878a8", border = "white", main = "", xlab = "minutes"))

  output$uploaded <- renderText({
    f <- req(input$file)
    paste0(f$name, "\n", f$size, " bytes\nmd5 ", unname(tools::md5sum(f$datapath)))
  })
  output$data <- downloadHandler("faithful.csv", function(to) write.csv(faithful, to, row.names = FALSE), "text/csv")
  output$umlaut <- downloadHandler("\u00dcbersicht \u2013 Kim S\u00f8rensen.txt", function(to) writeLines(enc2utf8("Gr\u00fc\u00dfe"), to, useBytes = TRUE), "text/plain")
}

parent <- Sys.getenv("PARENT_PID")
watch <- function() {
  if (!file.exists(file.path("/proc", parent))) quit("no")
  later::later(watch, 2)
}
if (nzchar(parent)) watch()

options(shiny.maxRequestSize = 64 * 2^20)
runApp(shinyApp(page, server, enableBookmarking = "url"),
       host = "127.0.0.1", port = as.integer(Sys.getenv("PORT", "3838")), launch.browser = FALSE)
