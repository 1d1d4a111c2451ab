# A line that says how far something has come, drawn over itself. Shown in interactive sessions, or where the option
# rnnremote.progress says so.

# A line for `total` things of that name: show(done, text) draws it, clear() takes it away. What is counted and how many
# there are may change as it goes on.
new_bar <- function(what, total, start = Sys.time()) {
  width <- 0
  draw <- function(text) {
    text <- strtrim(text, max(20, getOption("width") - 1))
    cat("\r", formatC(text, width = -width), sep = "", file = stderr())
    width <<- nchar(text)
  }
  list(
    show = function(done, text = NULL, things = what, of = total) {
      if (!getOption("rnnremote.progress", interactive())) return(invisible())
      draw(if (is.null(text)) bar_text(things, done, of, as.numeric(Sys.time() - start, units = "secs")) else text)
    },
    restart = function() start <<- Sys.time(),
    clear = function() {
      if (width > 0) cat("\r", strrep(" ", width), "\r", sep = "", file = stderr())
      width <<- 0
    }
  )
}

# "epochs 3 of 10 [====>         ] 34 %, 12 s left"
bar_text <- function(what, done, total, elapsed, width = 20) {
  if (is.nan(total)) return(sprintf("%s %.0f", what, floor(done))) # of a job that another session started
  part <- min(done / max(total, 1), 1)
  filled <- floor(part * width)
  bar <- paste0(strrep("=", filled), if (filled < width) ">", strrep(" ", max(width - filled - 1, 0)))
  left <- if (part > 0 && elapsed > 1) paste0(", ", time_text(elapsed * (1 - part) / part), " left")
  if (is.null(left)) left <- ""
  sprintf("%s %.0f of %.0f [%s] %.0f %%%s", what, floor(done + 1e-9), total, bar, 100 * part, left)
}

time_text <- function(seconds) {
  if (seconds < 60) return(sprintf("%.0f s", ceiling(seconds)))
  if (seconds < 3600) return(sprintf("%.0f min %.0f s", seconds %/% 60, seconds %% 60))
  sprintf("%.0f h %.0f min", seconds %/% 3600, seconds %% 3600 %/% 60)
}

show_progress <- function(run, progress) {
  if (nzchar(progress$compiling)) return(run$bar$show(0, paste("the server is compiling", progress$compiling)))
  if (progress$queue_position > 0) {
    return(run$bar$show(0, paste("waiting,", progress$queue_position, "jobs before this one")))
  }
  if (!isTRUE(run$started)) run$bar$restart() # neither waiting nor compiling says how fast it will be
  run$started <- TRUE
  run$bar$show(progress$epoch + progress$progress)
}

clear_progress <- function(run) run$bar$clear()
