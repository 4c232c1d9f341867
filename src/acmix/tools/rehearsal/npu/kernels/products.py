"""Products of matrices and vectors."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnMatmul", "self mat2 >out cube_math_type:int8")
@aclnn("aclnnMm", "self mat2 >out cube_math_type:int8")
@aclnn("aclnnBatchMatMul", "self mat2 >out cube_math_type:int8")
@aclnn("aclnnMv", "self vec >out cube_math_type:int8")
def matmul(a: np.ndarray, b: np.ndarray, cube_math_type: int) -> np.ndarray:
    """Return a @ b; leading axes broadcast."""
    return np.matmul(a, b)


@aclnn("aclnnDot", "self tensor >out")
def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sum of a * b of two vectors."""
    return np.dot(a, b)


@aclnn("aclnnAddmm", "self mat1 mat2 beta alpha >out cube_math_type:int8")
@aclnn("aclnnBaddbmm", "self batch1 batch2 beta alpha >out cube_math_type:int8")
def addmm(
    x: np.ndarray, a: np.ndarray, b: np.ndarray, beta: float, alpha: float, cube_math_type: int
) -> np.ndarray:
    """Return beta * x + alpha * (a @ b); where beta is 0, no NaN of x counts."""
    product = alpha * np.matmul(a, b)
    return product if beta == 0 else beta * x + product


@aclnn("aclnnAddmv", "self mat vec alpha beta >out cube_math_type:int8")
def addmv(
    x: np.ndarray, a: np.ndarray, b: np.ndarray, alpha: float, beta: float, cube_math_type: int
) -> np.ndarray:
    """Return beta * x + alpha * (a @ b) of a vector b."""
    return addmm(x, a, b, beta, alpha, cube_math_type)


@operator("MatMul", "x1 x2 bias >y")
def matmul_operator(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None,
    *,
    transpose_x1: bool = False,
    transpose_x2: bool = False,
) -> np.ndarray:
    """Return a @ b + bias of matrices, each transposed first if it is asked for."""
    a, b = a.T if transpose_x1 else a, b.T if transpose_x2 else b
    return a @ b if bias is None else a @ b + bias


@operator("MatMulV2", "x1 x2 bias offset_w >y")
def matmul_v2(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None,
    offset_w: None,
    *,
    transpose_x1: bool = False,
    transpose_x2: bool = False,
    offset_x: int = 0,
) -> np.ndarray:
    """Return a @ b + bias of matrices, each transposed first if it is asked for."""
    _check_no_offset(offset_w, offset_x)
    return matmul_operator(a, b, bias, transpose_x1=transpose_x1, transpose_x2=transpose_x2)


@operator("BatchMatMul", "x1 x2 >y")
def batch_matmul(
    a: np.ndarray, b: np.ndarray, *, adj_x1: bool = False, adj_x2: bool = False
) -> np.ndarray:
    """Return a @ b of each batch's matrices, their last two axes swapped if it is asked for."""
    a, b = np.swapaxes(a, -1, -2) if adj_x1 else a, np.swapaxes(b, -1, -2) if adj_x2 else b
    return np.matmul(a, b)


@operator("BatchMatMulV2", "x1 x2 bias offset_w >y")
def batch_matmul_v2(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None,
    offset_w: None,
    *,
    adj_x1: bool = False,
    adj_x2: bool = False,
    offset_x: int = 0,
) -> np.ndarray:
    """Return a @ b + bias of each batch's matrices."""
    _check_no_offset(offset_w, offset_x)
    product = batch_matmul(a, b, adj_x1=adj_x1, adj_x2=adj_x2)
    return product if bias is None else product + bias


def _check_no_offset(offset_w: object, offset_x: int) -> None:
    if offset_w is not None or offset_x:
        raise ValueError("offsets of quantised operands are not known")
