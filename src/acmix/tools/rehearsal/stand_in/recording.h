// What the stand-ins are asked for: lines of JSON in $ACMIX_REHEARSAL/calls-XXXXXX.jsonl, a file for each
// process and string ABI. acmix/tools/rehearsal/recordings.py reads them.
#pragma once
#include <cstddef>
#include <string>

// Compiled twice, for the two string ABIs, whose names differ.
namespace recording __attribute__((visibility("hidden"))) {

// Append a call. A line that this file has already is repeated as its number, from 0: a training
// step asks for the same calls as the one before.
void Write(const std::string &line);

std::string Quoted(const char *text);
inline std::string Quoted(const std::string &text) { return Quoted(text.c_str()); }

// Numbers that JSON does not have (NaN, infinities) become texts.
std::string Number(double value);

template <typename T>
std::string Number(T value) {
  return std::to_string(value);
}
std::string Number(float value);

template <typename T>
std::string List(const T *values, size_t count) {
  std::string out = "[";
  for (size_t i = 0; i < count; i++) out += (i ? "," : "") + Number(values[i]);
  return out + "]";
}

}  // namespace recording
