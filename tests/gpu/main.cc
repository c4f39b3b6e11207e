#include "tests/gpu/check_program.h"
#include "tests/gpu/parts.h"

int main(int argc, char** argv) { return tandem::RunCheckProgram(argc, argv, tandem::AllParts()); }
