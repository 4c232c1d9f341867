#include "recording.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

namespace recording {
namespace {

int Open() {
  const char *folder = getenv("ACMIX_REHEARSAL");
  if (folder == nullptr) return -1;
  std::string path = std::string(folder) + "/calls-XXXXXX.jsonl";
  return mkstemps(&path[0], 6);  // of ".jsonl"
}

}  // namespace

void Write(const std::string &line) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> guard(mutex);
  static const int file = Open();
  static auto &numbers = *new std::unordered_map<std::string, size_t>;  // outlives all threads
  if (file < 0) return;
  auto [known, is_new] = numbers.emplace(line, numbers.size());
  std::string text = (is_new ? line : std::to_string(known->second)) + "\n";
  // A crash loses nothing that was written. A full disk ends the process: half a record is none.
  if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
}

std::string Quoted(const char *text) {
  std::string out = "\"";
  for (; text && *text; text++) {
    if (static_cast<unsigned char>(*text) < ' ') {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\u%04x", *text);
      out += escaped;
      continue;
    }
    if (*text == '"' || *text == '\\') out += '\\';
    out += *text;
  }
  return out + "\"";
}

namespace {
std::string Digits(double value, int count) {  // that tell numbers of a type apart
  char text[32];
  snprintf(text, sizeof text, "%.*g", count, value);
  return std::isfinite(value) ? text : Quoted(text);
}
}  // namespace
std::string Number(double value) { return Digits(value, 17); }
std::string Number(float value) { return Digits(value, 9); }

}  // namespace recording
