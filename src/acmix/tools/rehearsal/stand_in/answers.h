// What the generated functions are made of (stand_in.py): one line for each name that MindSpore looks
// up and that no source here defines.
#pragma once

extern "C" {
void rehearsal_prepare(const char *name, const long *registers, const double *reals, const long *memory);
int rehearsal_launch(const char *name, const void *executor);
}

#define SUCCESS(name) \
  extern "C" long name() { return 0; }

// An aclnn operator is two functions. The first takes its operands, whose number and types differ and
// are not known here, and two addresses for its answers. By the calling convention of x86-64, the first
// six integers and addresses are in registers, which become a to f, the first eight reals are in others,
// which become s to z, and what is left follows in memory, from g.
#define ACLNN(name)                                                                                    \
  extern "C" int name##GetWorkspaceSize(long a, long b, long c, long d, long e, long f, double s,      \
                                        double t, double u, double v, double w, double x, double y,    \
                                        double z, long g) {                                            \
    const long registers[6] = {a, b, c, d, e, f};                                                      \
    const double reals[8] = {s, t, u, v, w, x, y, z};                                                  \
    rehearsal_prepare(#name, registers, reals, &g);                                                    \
    return 0;                                                                                          \
  }                                                                                                    \
  extern "C" int name(void *, unsigned long, void *executor, void *) {                                 \
    return rehearsal_launch(#name, executor);                                                          \
  }
