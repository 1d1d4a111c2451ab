# Runs one of the scripts as R users write them, in an environment of its own, and returns that environment. `package`
# takes the place of rnnremote in its library line, the only line in which it may differ.
run_script <- function(name, package = "rnnremote") {
  lines <- readLines(file.path(Sys.getenv("PYTRAINR_R_TESTS"), "scripts", paste0(name, ".R")))
  stopifnot(sum(grepl("library(rnnremote)", lines, fixed = TRUE)) == 1)
  lines <- sub("library(rnnremote)", paste0("library(", package, ")"), lines, fixed = TRUE)
  plots <- tempfile(fileext = ".pdf")
  grDevices::pdf(plots)
  on.exit(unlink(plots))
  # The script finds the functions of its package first, whatever else is attached.
  environment <- new.env(
    parent = list2env(mget(getNamespaceExports(package), asNamespace(package)), parent = globalenv())
  )
  tryCatch(
    utils::capture.output(eval(parse(text = lines), environment)),
    finally = grDevices::dev.off()
  )
  environment$plot_bytes <- file.size(plots)
  environment
}
