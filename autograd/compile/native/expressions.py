"""Expressions: NumPy's elementwise functions, written in C.

One idea: a function is a text with places for its operands, which come converted to the type it computes in. The same
texts serve CUDA C: only the names of types and of mathematical functions differ. Read `moves.py` next.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ...backend import host
from ..program import CASTS, Instruction

__all__ = ["CUDA_TYPES", "C_TYPES", "called", "compute_dtype", "constant", "elementwise", "expression"]
__all__ += ["has_expression", "is_elementwise"]

C_TYPES = {
    "bool": "unsigned char",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "float32": "float",
    "float64": "double",
}

CUDA_TYPES = {**C_TYPES, "bfloat16": "bfloat16"}  # what a GPU has besides, see `../cuda/header.py`

# {f} is the ending of C's functions for floats.
_FUNCTIONS = {
    "absolute": "fabs{f}({0})",
    "add": "({0} + {1})",
    "arccos": "acos{f}({0})",
    "arccosh": "acosh{f}({0})",
    "arcsin": "asin{f}({0})",
    "arcsinh": "asinh{f}({0})",
    "arctan": "atan{f}({0})",
    "arctan2": "atan2{f}({0}, {1})",
    "arctanh": "atanh{f}({0})",
    "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})",
    "bitwise_xor": "({0} ^ {1})",
    "ceil": "ceil{f}({0})",
    "clip": "({0} != {0} ? {0} : {0} >= {1} ? ({0} <= {2} ? {0} : {2}) : ({1} <= {2} || {1} != {1} ? {1} : {2}))",
    "conjugate": "({0})",
    "copysign": "copysign{f}({0}, {1})",
    "cos": "cos{f}({0})",
    "cosh": "cosh{f}({0})",
    "divide": "({0} / {1})",
    "equal": "({0} == {1})",
    "exp": "exp{f}({0})",
    "expm1": "expm1{f}({0})",
    "floor": "floor{f}({0})",
    "floor_divide": "floor_div{f}({0}, {1})",
    "greater": "({0} > {1})",
    "greater_equal": "({0} >= {1})",
    "hypot": "hypot{f}({0}, {1})",
    "invert": "(!{0})",
    "isfinite": "({0} - {0} == 0)",
    "isinf": "({0} == {0} && {0} - {0} != 0)",
    "isnan": "({0} != {0})",
    "less": "({0} < {1})",
    "less_equal": "({0} <= {1})",
    "log": "log{f}({0})",
    "log10": "log10{f}({0})",
    "log1p": "log1p{f}({0})",
    "log2": "log2{f}({0})",
    "logaddexp": "(({0} > {1} ? {0} : {1}) + log1p{f}(exp{f}({0} == {1} ? 0 : -fabs{f}({0} - {1}))))",
    "logical_and": "({0} && {1})",
    "logical_not": "(!{0})",
    "logical_or": "({0} || {1})",
    "logical_xor": "(!{0} != !{1})",
    "maximum": "({0} < {1} ? {1} : {1} == {1} ? {0} : {1})",
    "minimum": "({0} > {1} ? {1} : {1} == {1} ? {0} : {1})",
    "multiply": "({0} * {1})",
    "negative": "(-{0})",
    "not_equal": "({0} != {1})",
    "positive": "({0})",
    "power": "pow{f}({0}, {1})",
    "reciprocal": "(1 / {0})",
    "remainder": "floor_mod{f}({0}, {1})",
    "rint": "rint{f}({0})",
    "sign": "({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))",
    "signbit": "(signbit({0}) != 0)",
    "sin": "sin{f}({0})",
    "sinh": "sinh{f}({0})",
    "sqrt": "sqrt{f}({0})",
    "square": "({0} * {0})",
    "subtract": "({0} - {1})",
    "tan": "tan{f}({0})",
    "tanh": "tanh{f}({0})",
    "trunc": "trunc{f}({0})",
    "where": "({0} ? {1} : {2})",
}
# CuPy does these on a GPU.
_OF_THE_HOST = {"arccos", "arccosh", "arcsin", "arcsinh", "arctan2", "arctanh", "conjugate", "floor_divide", "hypot"}
_OF_THE_HOST |= {"log10", "log2", "logical_xor", "signbit", "tan"}
_NO_UFUNCS = {"clip", "positive", "where"}  # "positive" may be a cast
_ARITHMETIC = {"add", "subtract", "negative", "power", "square"}
_WRAPPING = {"add", "multiply", "negative", "square", "subtract"}
_OF_BITS = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}
_FLOATING = {name for name, text in _FUNCTIONS.items() if "{f}" in text} | {"divide", "reciprocal"}


def is_elementwise(instruction: Instruction, name: str) -> bool:
    """Whether a call, whose name is that of `called`, is a function of NumPy's element by element."""
    return isinstance(instruction.function, host.ufunc) or name in _NO_UFUNCS


def has_expression(name: str, inputs: list[Any], out: Any, types: Container[str]) -> bool:
    """Whether this function is written for inputs of these dtypes; `int` or `float` for Python's numbers.

    `types` are the dtypes that the language has. Of bfloat16 there are casts alone: it is not computed with.
    """
    dtypes = [dtype for dtype in inputs if not isinstance(dtype, type)]
    names = {str(dtype) for dtype in (*dtypes, out)}
    if name not in _FUNCTIONS or not dtypes or any(dtype not in types for dtype in names):
        return False
    if types is not C_TYPES and (name in _OF_THE_HOST or (name in _OF_BITS and out != "bool")):
        return False
    if types is C_TYPES and name == "positive" and dtypes[0].kind == "f" and out.kind in "iu":
        # What a float beyond the range becomes C leaves open, and GCC takes it for one within: -1.0 as uint32, 300.0 as
        # int8. There and back is trunc to it, which makes -0.0 of -0.3.
        return False
    if "bfloat16" in names:
        return name == "positive"
    return _is_as_in_numpy(name, dtypes, {kind for kind in inputs if isinstance(kind, type)}, out)


def _is_as_in_numpy(name: str, dtypes: list[Any], numbers: set[type], out: Any) -> bool:
    """Whether the text of a function gives what NumPy does, for arrays of these dtypes and numbers of these classes."""
    kinds = {dtype.kind for dtype in dtypes}
    if name == "signbit":
        return kinds == {"f"}
    if name in _OF_BITS:
        return kinds == {"b"} if out == "bool" else name != "invert" and float not in numbers
    if out == "bool" and name in _ARITHMETIC:
        return False  # NumPy's sums of bools are bools again
    if out == "bool" and "uint64" in dtypes and (int in numbers or "int64" in dtypes):
        return False  # in C there is no number below all of these, and no type that holds both
    floating = name == "sign" or name in _FLOATING or (float in numbers and "f" not in kinds)
    return not floating or bool(out.kind == "f")


def called(instruction: Instruction) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Name, inputs and options of a call; a cast is `positive`, whose result has another dtype."""
    name, inputs, options = instruction.name, instruction.inputs, instruction.options
    if name in CASTS and (len(inputs) == 2 or options.keys() == {"dtype"}):
        return "positive", inputs[:1], {}
    return name, inputs, options


def elementwise() -> list[str]:
    """The names of the functions that are written here."""
    return list(_FUNCTIONS)


def compute_dtype(name: str, inputs: list[Any], out: Any) -> Any:
    """The dtype to which the operands are brought before the function is computed."""
    if out == "bool" and name not in ("where", "positive"):  # the latter is a cast to bool
        return host.result_type(*(dtype for dtype in inputs if not isinstance(dtype, type)))
    return out


def expression(name: str, operands: list[str], dtype: Any) -> str:
    """The function of operands of this dtype, in C."""
    if name in _WRAPPING and dtype.kind in "iu":
        # Beyond the largest number NumPy goes on with the smallest; C says so of numbers without a sign alone, to which
        # it does not count short ones.
        kind = "unsigned long long" if dtype.itemsize == 8 else "unsigned int"
        text = _FUNCTIONS[name].format(*(f"({kind}){operand}" for operand in operands))
        return f"(({C_TYPES[str(dtype)]}){text})"
    return _FUNCTIONS[name].format(*operands, f="f" if dtype == "float32" else "")


def constant(value: Any, dtype: Any) -> str:
    """A Python number in C."""
    if dtype.kind in "biu":
        number = int(value)
        # One that does not fit is only compared with, and lies beyond all numbers of the dtype; so does this one.
        if dtype.kind != "b" and not host.iinfo(dtype).min <= number <= host.iinfo(dtype).max:
            return "1e30" if number > 0 else "(-1e30)"
        if number == -(2**63):
            return f"({number + 1}LL - 1)"  # C reads the minus by itself, and the rest is too large
        return f"{number}" + ("LL" if dtype.itemsize == 8 else "")
    real = float(dtype.type(value))
    ending = "f" if dtype == "float32" else ""
    if real != real:
        return "NAN"
    if real in (float("inf"), float("-inf")):
        return "INFINITY" if real > 0 else "(-INFINITY)"
    return f"({real.hex()}{ending})"
