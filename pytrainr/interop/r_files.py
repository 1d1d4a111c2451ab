"""R's serialisation format, through the library rdata, with what it leaves out for models.

Reading: functions that R has compiled to byte code. rdata 1.1 mistakes where one function's table of repeated
expressions ends when functions are nested in another's constants; here each gets its own, as R's ``ReadBC`` does.
Writing: functions, which rdata cannot write.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rdata.conversion import ConverterFromPythonToR
from rdata.conversion.to_r import build_r_list, build_r_object
from rdata.parser import DEFAULT_ALTREP_MAP, RData, RObject, RObjectType
from rdata.parser._xdr import ParserXDR
from rdata.unparser._unparser import pack_r_object_info
from rdata.unparser._xdr import UnparserXDR

from pytrainr.interop.r_functions import RClosure, RFunction, Symbol

__all__ = ["RFileError", "read_list", "write_list"]


class RFileError(ValueError):
    """The file cannot be read; the message says why and, where it can, what to do in R."""


# reading ----------------------------------------------------------------------------------------------------------


def read_list(path: Path) -> tuple[list[str], list[Any]]:
    """Names and values of the named list that ``saveRDS`` wrote.

    Numeric vectors become arrays with R's dimensions, NULL None, lists lists or dicts, one text a str.
    """
    content = _decompressed(path)
    if content[:3] in (b"RDX", b"RDA", b"RDB"):
        raise RFileError("this is a file of save(); in R: load() it, then saveRDS(model, file)")
    if content[:2] != b"X\n":
        raise RFileError("this is no file of saveRDS() in its usual form; in R: saveRDS(model, file)")
    try:
        parser = _Parser(memoryview(content[2:]), expand_altrep=True, altrep_constructor_dict=DEFAULT_ALTREP_MAP)
        root = parser.parse_all().object
    except (ValueError, IndexError, KeyError, AssertionError, NotImplementedError) as error:
        raise RFileError(f"R's serialised data ends early or cannot be understood ({error})") from error
    names = _attributes(root).get("names")
    if root.info.type != RObjectType.VEC or names is None:
        raise RFileError("the object in it is no named list")
    return [names] if isinstance(names, str) else names, [_value(item) for item in root.value]


def _decompressed(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:3] == b"BZh":
            return bz2.decompress(content)
        if content[:6] == b"\xfd7zXZ\x00":
            return lzma.decompress(content)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise RFileError(f"the file is damaged or cut off ({error})") from error
    return content


# What in byte code stands for language and may refer to the table of repeated expressions.
_LANGUAGE = (
    RObjectType.BCREPREF,
    RObjectType.BCREPDEF,
    RObjectType.LANG,
    RObjectType.LIST,
    RObjectType.ATTRLANG,
    RObjectType.ATTRLIST,
    RObjectType.BCODE,
)
_LANGUAGE_NUMBERS = frozenset(kind.value for kind in _LANGUAGE)


class _Parser(ParserXDR):
    def parse_R_object(  # noqa: N802 - rdata's name
        self,
        reference_list: list[RObject] | None = None,
        bytecode_rep_list: list[RObject | None] | None = None,
        info_int: int | None = None,
    ) -> RObject:
        if info_int not in _LANGUAGE_NUMBERS:
            # An ordinary object begins anew: byte code within it has a table of its own.
            info_int, bytecode_rep_list = None, None
        return super().parse_R_object(reference_list, bytecode_rep_list, info_int)


def _resolved(r_object: RObject) -> RObject:
    while r_object.info.type == RObjectType.REF and r_object.referenced_object is not None:
        r_object = r_object.referenced_object
    return r_object


def _text(r_char: RObject) -> str:
    return "NA" if r_char.value is None else r_char.value.decode("utf-8", "replace")


def _attributes(r_object: RObject) -> dict[str, Any]:
    """Attributes by name; those that are not data, such as a function's source, are left out."""
    found: dict[str, Any] = {}
    node = r_object.attributes
    while node is not None and node.info.type == RObjectType.LIST:
        symbol = _resolved(node.tag) if node.tag is not None else None
        if symbol is not None and symbol.value is not None:
            name = _text(symbol.value)
            if name in ("names", "dim"):
                found[name] = _value(node.value[0])
        node = node.value[1]
    return found


def _value(r_object: RObject) -> Any:
    kind = r_object.info.type
    if kind in (RObjectType.NILVALUE, RObjectType.NIL):
        return None
    if kind in (RObjectType.REAL, RObjectType.INT, RObjectType.LGL):
        array = r_object.value
        if np.ma.isMaskedArray(array):
            array = np.ma.filled(array.astype(np.float64), np.nan) if np.ma.is_masked(array) else np.ma.getdata(array)
        dim = _attributes(r_object).get("dim")
        return array if dim is None else array.reshape([int(n) for n in dim], order="F")
    if kind == RObjectType.STR:
        texts = [_text(item) for item in r_object.value]
        return texts[0] if len(texts) == 1 else texts
    if kind == RObjectType.VEC:
        values = [_value(item) for item in r_object.value]
        names = _attributes(r_object).get("names")
        if names is None:
            return values
        return dict(zip([names] if isinstance(names, str) else names, values, strict=True))
    if kind == RObjectType.CLO:
        nodes = list(_walk(r_object))
        return RClosure(
            frozenset(_text(node.value) for node in nodes if node.info.type == RObjectType.SYM),
            frozenset(_text(item) for node in nodes if node.info.type == RObjectType.STR for item in node.value),
            any(node.info.type == RObjectType.REAL for node in nodes),
        )
    raise RFileError(f"it holds an R object of type {kind.name}, for which a model has no use")


def _walk(root: RObject) -> Iterator[RObject]:
    """Every object inside a function, its environment left out."""
    seen: set[int] = set()
    waiting: list[Any] = list(root.value)
    while waiting:
        item = waiting.pop()
        if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
            waiting.extend(item)
        elif isinstance(item, RObject):
            item = _resolved(item)
            if id(item) in seen or item.info.type == RObjectType.ENV:
                continue
            seen.add(id(item))
            yield item
            waiting.append(item.value)


# writing ----------------------------------------------------------------------------------------------------------


def write_list(fields: Mapping[str, Any], attributes: Mapping[str, Any], path: Path) -> None:
    """Write a named list with further attributes as ``saveRDS`` does, gzipped."""
    converter = _Converter()
    data: RData = converter.convert_to_r_data(None)
    values = [converter.convert_to_r_object(value) for value in fields.values()]
    names = np.array(list(fields), dtype=np.dtype("U"))
    data.object = build_r_object(
        RObjectType.VEC,
        value=values,
        attributes=converter.convert_to_r_attributes({"names": names, **attributes}),
    )
    with gzip.open(path, "wb") as file:
        _Unparser(file).unparse_r_data(data)


class _Converter(ConverterFromPythonToR):
    """rdata's, and R code. Symbols are numbered as they come, so everything is built in the order of writing."""

    def convert_to_r_object(self, data: Any) -> RObject:
        if isinstance(data, RFunction):
            # f(model), in the global environment
            environment = build_r_object(RObjectType.GLOBALENV)
            argument = (self.convert_to_r_sym("model"), build_r_object(RObjectType.MISSINGARG))
            value = (build_r_list([argument]), self._code(data.body))
            return build_r_object(RObjectType.CLO, value=value, tag=environment)
        return super().convert_to_r_object(data)

    def _code(self, code: Any) -> RObject:
        if isinstance(code, Symbol):
            return self.convert_to_r_sym(str(code))
        if isinstance(code, tuple):
            function = self.convert_to_r_sym(code[0])
            return build_r_object(
                RObjectType.LANG, value=(function, build_r_list([self._code(item) for item in code[1:]]))
            )
        return self.convert_to_r_object(code)


class _Unparser(UnparserXDR):
    def unparse_r_object(self, obj: RObject) -> None:
        kind = obj.info.type
        if kind == RObjectType.CLO:
            self.unparse_int(pack_r_object_info(obj.info))
            for part in (obj.tag, *obj.value):
                self.unparse_r_object(part)
        elif kind in (RObjectType.GLOBALENV, RObjectType.MISSINGARG):
            self.unparse_int(kind.value)
        else:
            super().unparse_r_object(obj)
