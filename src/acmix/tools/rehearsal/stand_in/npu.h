// The software NPU: CANN's operators, computed in NumPy by acmix/tools/rehearsal/npu in this very process.
#pragma once

extern "C" {

// Whether operators compute. They do where $ACMIX_REHEARSAL_COMPUTES is set; else outputs become zeros.
bool rehearsal_computes();

// Compute what a line of JSON asks for. Return 0, or the error code of CANN that stands for a failure;
// aclGetRecentErrMsg then tells why.
int rehearsal_compute(const char *request);

}
