/* signals_use.c: the part of signals.c that calls the library. It is a shared object of its own, so
 * that signals.c chooses when the library is loaded. */
#define _POSIX_C_SOURCE 200809L
#include "arrays.h"

int use(void);

/* Trains and predicts. A nil pointer in Go, which is a SIGSEGV too, becomes an error and makes only
 * the model that met it unusable. */
int use(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data set = labelled(64);
  govpn_model model = 0, broken = small_model();
  char options[128];
  snprintf(options, sizeof options, "{\"device\": \"%s\", \"base\": \"sr\", \"mode\": \"plain\"}", device());
  OK(govpn_model_create(options, &model));
  OK(govpn_model_train_batch(model, set, NULL, NULL));
  setenv("GOVPN_INJECT", "goModelFit,useModel", 1);
  FAILS(GOVPN_E_INTERNAL, "nil pointer", govpn_model_fit(broken, set, 0, NULL, NULL, NULL));
  unsetenv("GOVPN_INJECT");
  FAILS(GOVPN_E_INTERNAL, "unusable", govpn_model_fit(broken, set, 0, NULL, NULL, NULL));
  OK(govpn_model_predict(model, set, NULL, &s, &a));
  s.release(&s);
  a.release(&a);
  govpn_model_free(broken);
  govpn_model_free(model);
  govpn_data_free(set);
  CHECK(alive == 0);
  return 1;
}
