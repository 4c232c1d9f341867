// What the generated functions are made of (stand_in.py): one line for each name that MindSpore looks
// up and that no source here defines.
#pragma once

extern "C" {
void rehearsal_prepare(const char *name, const long *registers, const long *memory);
void rehearsal_launch(const char *name, const void *executor);
}

#define SUCCESS(name) \
  extern "C" long name() { return 0; }

// An aclnn operator is two functions. The first takes its operands, whose number differs and is not
// known here, and two addresses for its answers. By the calling convention of x86-64, six arguments
// are in registers, which become a to f, and the others follow the first of them in memory, g.
#define ACLNN(name)                                                                               \
  extern "C" int name##GetWorkspaceSize(long a, long b, long c, long d, long e, long f, long g) { \
    const long registers[6] = {a, b, c, d, e, f};                                                 \
    rehearsal_prepare(#name, registers, &g);                                                      \
    return 0;                                                                                     \
  }                                                                                               \
  extern "C" int name(void *, unsigned long, void *executor, void *) {                            \
    rehearsal_launch(#name, executor);                                                            \
    return 0;                                                                                     \
  }
