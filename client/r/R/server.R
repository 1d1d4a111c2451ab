#' A server on this machine, for this session
#'
#' Finds the Python package \code{pytrainr}, or installs it into a virtual environment of its own if you agree, starts a
#' server on this machine that only this session can use (with a token, on a free port), and connects with it. The
#' server stops when R ends, however that happens, or with \code{trainr_server_stop()}. Jobs, models and data sets stay
#' in \code{data_dir} for the next session.
#'
#' Python is looked for in this order: \code{python}, the environment variable \code{TRAINR_PYTHON}, the virtual
#' environment that this function made, the program \code{pytrainr-server} on the path, \code{python3} and \code{python}
#' on the path. It needs Python 3.10 or newer. Nothing but \code{system2} is used, no \pkg{reticulate}.
#'
#' @param data_dir Where the server keeps everything. Default: a directory of this package's own for the user's data
#'   (\code{tools::R_user_dir("rnnremote")}). One server at a time can have it; \code{tempfile()} is good for a try.
#' @param python A Python that has \code{pytrainr} with its server, or that makes the virtual environment.
#' @param install Where no Python has the package: \code{TRUE} installs it, \code{FALSE} does not, \code{NA} asks, in an
#'   interactive session.
#' @param package What \code{pip} installs: the package by name, or a path or an address of its source with
#'   \code{"[server]"} after it. Default: the environment variable \code{TRAINR_PACKAGE}, or \code{"pytrainr[server]"}.
#' @param flags Further flags of \code{pytrainr-server serve}, such as \code{c("--training-threads", "2")}.
#' @param server A server of \code{trainr_server}.
#' @return The server, invisibly: an object of class \code{rnnremote_server} with \code{address}, \code{token},
#'   \code{data_dir}, \code{log} (a file) and \code{connection}. While one runs, further calls return it.
#' @examples
#' \dontrun{
#' trainr_server()
#' model <- trainr(Y, X, learningrate = 0.1)
#' trainr_server_stop()
#' }
#' @export
trainr_server <- function(data_dir = NULL, python = NULL, install = NA,
                          package = Sys.getenv("TRAINR_PACKAGE", "pytrainr[server]"), flags = character()) {
  if (!is.null(session$server) && is_running(session$server)) {
    if (!is.null(data_dir) && !identical(normalizePath(data_dir, mustWork = FALSE), session$server$data_dir)) {
      stop("this session has a server already, with other data: trainr_server_stop() first", call. = FALSE)
    }
    return(invisible(session$server))
  }
  if (!nzchar(package)) package <- "pytrainr[server]"
  program <- server_python(python, install, package)
  if (is.null(data_dir)) data_dir <- file.path(tools::R_user_dir("rnnremote", "data"), "server")
  dir.create(data_dir, recursive = TRUE, showWarnings = FALSE)
  server <- start_server(program, normalizePath(data_dir), flags)
  session$server <- server
  server$connection <- trainr_connect(server$address, token = server$token, cacert = "")
  invisible(server)
}

#' @rdname trainr_server
#' @export
trainr_server_stop <- function(server = session$server) {
  if (is.null(server)) return(invisible(FALSE))
  if (!inherits(server, "rnnremote_server")) stop("`server` should be what trainr_server() returned", call. = FALSE)
  stopped <- stop_server(server)
  if (identical(server, session$server)) session$server <- NULL
  if (identical(server$connection, session$connection)) session$connection <- NULL
  invisible(stopped)
}

#' @export
print.rnnremote_server <- function(x, ...) {
  cat("<pytrainr server at ", x$address, if (!is_running(x)) ", stopped", ", data in ", x$data_dir, ">\n", sep = "")
  invisible(x)
}

is_running <- function(server) !file.exists(server$ended) && !is.null(server$pipe)

environment_dir <- function() file.path(tools::R_user_dir("rnnremote", "data"), "python")

venv_python <- function(directory) {
  file.path(directory, if (.Platform$OS.type == "windows") "Scripts/python.exe" else "bin/python")
}

# R puts its libraries, and with them the system's, before those that another program was linked with.
outside_r <- function(expression) {
  before <- Sys.getenv("LD_LIBRARY_PATH", NA)
  if (is.na(before)) return(expression)
  on.exit(Sys.setenv(LD_LIBRARY_PATH = before))
  entries <- strsplit(before, ":", fixed = TRUE)[[1]]
  own <- startsWith(entries, R.home()) | grepl("^/(usr/)?lib|/lib/server$", entries)
  Sys.setenv(LD_LIBRARY_PATH = paste(entries[!own], collapse = ":"))
  expression
}

# What a program prints, or NULL where it cannot be run or fails; with `otherwise` that is an error.
printed_by <- function(program, arguments, otherwise = NULL) {
  printed <- structure("it is not there", status = 127L)
  if (nzchar(Sys.which(program)) || file.exists(program)) {
    printed <- tryCatch(
      suppressWarnings(outside_r(system2(program, vapply(arguments, shQuote, ""), stdout = TRUE, stderr = TRUE))),
      error = function(error) structure(conditionMessage(error), status = 127L)
    )
  }
  if (is.null(attr(printed, "status")) || attr(printed, "status") == 0L) return(printed)
  if (!is.null(otherwise)) stop(otherwise, ":\n", paste(utils::tail(printed, 15), collapse = "\n"), call. = FALSE)
}

server_modules <- c("pytrainr", "pytrainr_server", "grpc", "sqlalchemy", "numba")

has_server <- function(python) {
  modules <- paste(server_modules, collapse = " ")
  looks <- paste0("import sys, importlib.util as i; sys.exit(not all(map(i.find_spec, '", modules, "'.split())))")
  !is.null(printed_by(python, c("-c", looks)))
}

# A Python that has the server's package; installs it, if that is wanted, where none has.
server_python <- function(python, install, package) {
  if (!is.null(python)) {
    if (is.null(printed_by(python, "--version"))) {
      stop("`python` is ", python, ", which is no Python that runs here", call. = FALSE)
    }
    if (has_server(python)) return(python)
  }
  beside <- Sys.which("pytrainr-server") # a program of a virtual environment lies beside its Python
  beside <- if (nzchar(beside)) file.path(dirname(beside), c("python", "python.exe"))
  known <- c(Sys.getenv("TRAINR_PYTHON"), venv_python(environment_dir()), beside)
  for (candidate in c(known[nzchar(known)], "python3", "python")) {
    if (is.null(python) && has_server(candidate)) return(candidate)
  }
  install_server(python, install, package)
}

install_server <- function(python, install, package) {
  directory <- environment_dir()
  what <- paste0("the Python package ", package, " into the virtual environment ", directory)
  question <- paste0("No Python here has the server. Install ", what, "?")
  if (is.na(install)) install <- interactive() && isTRUE(utils::askYesNo(question))
  if (!install) {
    stop("no Python here has the server. trainr_server(install = TRUE) installs ", what,
      "; or install it yourself (pip install '", package, "') and give `python`, ",
      "or connect to a server elsewhere: trainr_connect()",
      call. = FALSE
    )
  }
  base <- c(python, "python3", "python")
  recent <- "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"
  base <- Filter(function(candidate) !is.null(printed_by(candidate, c("-c", recent))), base)
  if (length(base) == 0) {
    stop("there is no Python 3.10 or newer here (with its modules venv and ensurepip); see www.python.org",
      call. = FALSE
    )
  }
  message("installing ", what, " ...")
  run_or_stop(base[1], c("-m", "venv", directory), directory)
  program <- venv_python(directory)
  run_or_stop(program, c("-m", "pip", "install", "--quiet", "--disable-pip-version-check", package), directory)
  if (!has_server(program)) stop(package, " was installed, but it is not the server's package", call. = FALSE)
  program
}

# A half-made environment would be found the next time.
run_or_stop <- function(program, arguments, directory) {
  done <- FALSE
  on.exit(if (!done) unlink(directory, recursive = TRUE))
  printed_by(program, arguments, otherwise = paste(paste(c(program, arguments), collapse = " "), "failed"))
  done <- TRUE
  invisible()
}

# Starts it and waits until it answers. Its standard input is a pipe from R: when that ends, so does the server.
start_server <- function(program, data_dir, flags) {
  make_token <- c("token", "create", "--owner", user_name(), "--days", "30", "--data-dir", data_dir)
  token <- printed_by(program, c("-m", "pytrainr_server", make_token),
    otherwise = paste("no token could be made for a server with its data in", data_dir)
  )
  beside <- tempfile("rnnremote-server")
  dir.create(beside)
  files <- file.path(beside, c("addresses", "log", "ended"))
  command <- c(
    program, system.file("server", "start.py", package = "rnnremote", mustWork = TRUE), files[3], "serve",
    "--listen", "127.0.0.1:0", "--data-dir", data_dir, "--tokens", "always", "--ready-file", files[1],
    "--leave-with-parent", flags
  )
  line <- paste(c(vapply(command, shQuote, ""), ">", shQuote(files[2]), "2>&1"), collapse = " ")
  if (.Platform$OS.type == "windows") line <- paste0("cmd /c \"", line, "\"")
  server <- list2env(list(
    token = regmatches(token, regexpr("trainr_\\S+", token))[1], data_dir = data_dir, log = files[2],
    ended = files[3], pipe = outside_r(pipe(line, "w"))
  ), parent = emptyenv())
  class(server) <- "rnnremote_server"
  reg.finalizer(server, stop_server, onexit = TRUE)
  until <- Sys.time() + 60
  while (!file.exists(files[1]) || length(readLines(files[1], warn = FALSE)) == 0) {
    if (file.exists(files[3]) || Sys.time() > until) {
      stop_server(server)
      said <- utils::tail(readLines(files[2], warn = FALSE), 15)
      stop("the server did not start:\n", paste(said, collapse = "\n"), call. = FALSE)
    }
    Sys.sleep(0.05)
  }
  server$address <- strsplit(readLines(files[1], warn = FALSE)[1], " ")[[1]][1]
  server
}

user_name <- function() {
  name <- gsub("[^A-Za-z0-9._-]", "-", Sys.info()[["user"]])
  if (nzchar(name)) name else "r"
}

# Closes the pipe, at whose end the server saves what it has and leaves; waits for that.
stop_server <- function(server) {
  if (is.null(server$pipe)) return(FALSE)
  pipe <- server$pipe
  server$pipe <- NULL
  close(pipe) # waits for the program
  TRUE
}
