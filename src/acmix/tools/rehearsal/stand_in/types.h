// aclDataType, as MindSpore's own tables have it.
#pragma once
#include <cstddef>

enum DataType {
  kFloat = 0, kFloat16 = 1, kInt8 = 2, kInt32 = 3, kUint8 = 4, kInt16 = 6, kUint16 = 7, kUint32 = 8,
  kInt64 = 9, kUint64 = 10, kDouble = 11, kBool = 12, kBfloat16 = 27,
};

// Bytes of one element.
inline size_t SizeOf(int dtype) {
  switch (dtype) {
    case kInt8: case kUint8: case kBool: return 1;
    case kFloat16: case kInt16: case kUint16: case kBfloat16: return 2;
    case kFloat: case kInt32: case kUint32: return 4;
    default: return 8;
  }
}
