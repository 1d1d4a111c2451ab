# The reference of the R package for the docs, docs/r/*.md, from the manual pages in man/.
#
# Rscript client/r/reference.R            writes the pages
# Rscript client/r/reference.R --check    fails where those that are there are not current, or a function is left out

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
package <- dirname(normalizePath(script))
pages_dir <- file.path(dirname(dirname(package)), "docs", "r")

tag <- function(rd) {
  tag <- attr(rd, "Rd_tag")
  if (is.null(tag)) "" else tag
}
parts <- function(rd, name) Filter(function(part) tag(part) == name, rd)
plain <- function(rd) trimws(paste(unlist(rd), collapse = ""))

# Rd as markdown. `links` gives the page of each topic; `code` is for what stands in backquotes already.
markdown <- function(rd, links, code = FALSE) {
  if (is.character(rd)) {
    text <- paste(rd, collapse = "")
    if (tag(rd) == "COMMENT") return("")
    return(if (code || tag(rd) %in% c("RCODE", "VERB")) text else gsub("([*_<|])", "\\\\\\1", text))
  }
  inner <- function(x = rd, code = FALSE) paste(vapply(x, markdown, "", links = links, code = code), collapse = "")
  switch(tag(rd),
    "\\code" = code_text(rd, inner(code = TRUE), links),
    "\\link" = if (code) inner(code = TRUE) else linked(inner(), plain(rd), links),
    "\\pkg" = , "\\strong" = if (code) inner(code = TRUE) else paste0("**", inner(), "**"),
    "\\emph" = paste0("*", inner(), "*"),
    "\\url" = paste0("<", plain(rd), ">"),
    "\\href" = paste0("[", markdown(rd[[2]], links), "](", plain(rd[[1]]), ")"),
    "\\dots" = , "\\ldots" = "...",
    "\\describe" = paste0("\n", items(rd, links), "\n"),
    "\\itemize" = gsub("\n *- *", "\n- ", paste0("\n", inner(), "\n")),
    "\\item" = if (length(rd) == 2L) described(rd, links) else "\n- ",
    "\\method" = , "\\S3method" = paste0("# for class ", plain(rd[[2]]), "\n", plain(rd[[1]])),
    "\\dontrun" = , "\\donttest" = sub("^\n", "", inner(code = TRUE)),
    inner(code = code)
  )
}

# A link within code is a link to the code's page.
code_text <- function(rd, text, links) {
  target <- parts(rd, "\\link")
  code <- paste0("`", text, "`")
  if (length(target) == 1L) linked(code, topic_of(target[[1]]), links) else code
}

topic_of <- function(link) {
  option <- attr(link, "Rd_option")
  if (is.null(option)) plain(link) else sub("^=", "", plain(option))
}

linked <- function(text, topic, links) {
  if (topic %in% names(links)) paste0("[", text, "](", links[[topic]], ".md)") else text
}

items <- function(rd, links) paste(vapply(parts(rd, "\\item"), described, "", links = links), collapse = "")

described <- function(item, links) {
  name <- paste0("**", gsub("`", "", markdown(item[[1]], links, code = TRUE)), "**")
  text <- gsub("\n+", " ", prose(item[[2]], links))
  paste0("- ", name, ": ", text, "\n")
}

prose <- function(rd, links) gsub("\n +", "\n", trimws(markdown(structure(rd, Rd_tag = ""), links)))

block <- function(text) c("```r", strsplit(gsub("^\n+|[ \n]+$", "", text), "\n")[[1]], "```", "")

# One page.
page <- function(rd, links) {
  section <- function(name, title) {
    found <- parts(rd, name)
    if (length(found) == 0) return(NULL)
    c(paste("##", title), "", prose(found[[1]], links), "")
  }
  usage <- parts(rd, "\\usage")
  arguments <- parts(rd, "\\arguments")
  examples <- parts(rd, "\\examples")
  lines <- c(
    paste("#", plain(parts(rd, "\\title")[[1]])), "",
    prose(parts(rd, "\\description")[[1]], links), "",
    if (length(usage) > 0) block(markdown(structure(usage[[1]], Rd_tag = ""), links, code = TRUE)),
    if (length(arguments) > 0) c("## Arguments", "", trimws(items(arguments[[1]], links)), ""),
    section("\\value", "Value"), section("\\details", "Details"),
    unlist(lapply(parts(rd, "\\section"), function(part) {
      c(paste("##", plain(part[[1]])), "", prose(part[[2]], links), "")
    })),
    section("\\references", "References"), section("\\seealso", "See also"),
    if (length(examples) > 0) {
      c("## Examples", "", block(markdown(structure(examples[[1]], Rd_tag = ""), links, code = TRUE)))
    }
  )
  gsub("[ \t]+(\n|$)", "\\1", paste(lines, collapse = "\n"))
}

files <- sort(list.files(file.path(package, "man"), "[.]Rd$", full.names = TRUE), method = "radix") # in any locale
manual <- lapply(files, tools::parse_Rd)
names(manual) <- sub("[.]Rd$", "", basename(files))
topics <- lapply(manual, function(rd) vapply(parts(rd, "\\alias"), plain, ""))
links <- structure(rep(names(topics), lengths(topics)), names = unlist(topics))

exported <- parseNamespaceFile(basename(package), dirname(package))$exports  # nothing need be installed
missing <- setdiff(exported, names(links))
silent <- names(Filter(function(rd) length(parts(rd, "\\examples")) == 0, manual))
if (length(missing) > 0) stop("no manual page: ", paste(missing, collapse = ", "))
if (length(silent) > 0) stop("no examples: ", paste(silent, collapse = ", "))

written <- lapply(manual, page, links = links)
rows <- vapply(setdiff(names(manual), "rnnremote-package"), function(name) {
  functions <- intersect(exported, topics[[name]])
  shown <- if (length(functions) > 0) paste0("`", functions, "`", collapse = ", ") else paste0("`?", name, "`")
  paste0("| [", plain(parts(manual[[name]], "\\title")[[1]]), "](", name, ".md) | ", shown, " |")
}, "")
written$index <- paste(c(
  "# R: the functions of rnnremote", "",
  paste(
    "Made from the package's manual pages by `make r-reference`.",
    "[What the package is](rnnremote-package.md), and its options."
  ),
  "", "| | |", "|---|---|", rows
), collapse = "\n")

text <- vapply(written, function(page) paste0(sub("\n+$", "", page), "\n"), "")
paths <- file.path(pages_dir, paste0(names(text), ".md"))
if ("--check" %in% commandArgs(TRUE)) {
  there <- list.files(pages_dir, full.names = TRUE)
  current <- vapply(seq_along(paths), function(i) {
    file.exists(paths[i]) && identical(readChar(paths[i], file.size(paths[i]), useBytes = TRUE), text[[i]])
  }, NA)
  stale <- c(paths[!current], setdiff(there, paths))
  if (length(stale) > 0) stop("not current, run `make r-reference`: ", paste(basename(stale), collapse = ", "))
} else {
  dir.create(pages_dir, showWarnings = FALSE)
  unlink(setdiff(list.files(pages_dir, full.names = TRUE), paths))
  for (i in seq_along(paths)) writeBin(charToRaw(text[[i]]), paths[i])
}
