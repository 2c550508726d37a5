# Reads a directory of results as shinyloadtest::load_runs does, in base R, and
# stops where anything is not as it expects.
#
#   Rscript read_run.R DIRECTORY
#
# It prints what it found, one "name value" a line.
dir <- commandArgs(TRUE)[1]

columns <- c(session_id = "integer", worker_id = "integer", iteration = "integer", event = "character",
             timestamp = "numeric", input_line_number = "integer", comment = "character")
files <- list.files(file.path(dir, "sessions"), pattern = "*.csv", full.names = TRUE)
stopifnot("no session files" = length(files) > 0,
          "version file" = nzchar(readLines(file.path(dir, "shinycannon-version.txt"), warn = FALSE)))
read_one <- function(file) {
  head <- readLines(file, n = 3)
  stopifnot("two comment lines" = all(startsWith(head[1:2], "# ")),
            "arguments as JSON" = is.list(jsonlite::fromJSON(substring(head[2], 3))),
            "header" = identical(strsplit(head[3], ",")[[1]], names(columns)))
  rows <- read.csv(file, comment.char = "#", colClasses = unname(columns), na.strings = "NA")
  name <- as.integer(strsplit(sub("[.]csv$", "", basename(file)), "_")[[1]])
  stopifnot("named for its session, worker and iteration" =
              all(rows$session_id == name[1], rows$worker_id == name[2], rows$iteration == name[3]),
            "in the order of time" = !is.unsorted(rows$timestamp),
            "no comments" = all(is.na(rows$comment) | rows$comment == ""))
  rows
}
all <- do.call(rbind, lapply(files, read_one))
all <- all[order(all$timestamp), ]
stopifnot("epoch milliseconds" = all(all$timestamp > 1.5e12 & all$timestamp < 4e12 & all$timestamp %% 1 == 0))
all$timestamp <- (all$timestamp - min(all$timestamp)) / 1000
all$concurrency <- cumsum((all$event == "WS_OPEN_START") - (all$event == "WS_CLOSE_END"))

# The recording: the line number of each event, and its type.
lines <- readLines(file.path(dir, "recording.log"))
numbers <- which(!grepl("^#", lines))
types <- vapply(lines[numbers], function(l) jsonlite::fromJSON(l)$type, "", USE.NAMES = FALSE)

# Latency is END - START for each line of the recording.
played <- all[!grepl("^PLAYBACK", all$event) & all$event != "PLAYER_SESSION_CREATE", ]
stopifnot("START and END only" = all(grepl("_(START|END)$", played$event)),
          "lines of the recording" = all(played$input_line_number %in% numbers),
          "types of the recording" = identical(sub("_(START|END)$", "", played$event), types[match(played$input_line_number, numbers)]),
          "known other events" = all(setdiff(all$event, played$event) %in% c("PLAYER_SESSION_CREATE", "PLAYBACK_DONE", "PLAYBACK_FAIL",
                                       "PLAYBACK_SLEEPBEFORE_START", "PLAYBACK_SLEEPBEFORE_END")))
done <- all$session_id[all$event == "PLAYBACK_DONE"]
whole <- played[played$session_id %in% done, ]
pairs <- split(whole$timestamp, paste(whole$session_id, whole$input_line_number))
stopifnot("a START and an END each" = all(lengths(pairs) == 2),
          "every line of every session" = length(pairs) == length(done) * length(numbers),
          "everybody left" = any(all$event == "PLAYBACK_FAIL") || tail(all$concurrency, 1) == 0)

# The maintenance period: from the last user's first start to the first user's
# last end.
first <- tapply(played$timestamp, played$worker_id, min)
last <- tapply(played$timestamp, played$worker_id, max)
cat("sessions", length(files), "\n")
cat("done", length(done), "\n")
cat("failed", sum(all$event == "PLAYBACK_FAIL"), "\n")
cat("workers", length(unique(all$worker_id)), "\n")
cat("concurrency", max(all$concurrency), "\n")
cat("maintenance", round(min(last) - max(first), 3), "\n")
cat("slowest", round(max(0, vapply(pairs, function(t) diff(range(t)), 0)), 3), "\n")
