// hpp_unit.cpp: a second translation unit of the program of hpp.cpp. It includes govpn.hpp twice.
#include "govpn.hpp"
#include "govpn.hpp"

int other_unit();
int other_unit() { return static_cast<int>(govpn::Json("{\"n\":7}").number("n")); }
