/* plugin.c: PJRT plugins with something wrong. BYTES, MAJOR and MINOR are the size and version that the
   table of GetPjrtApi claims. */
#include <string.h>

#include "pjrt_c_api.h"

#ifndef BYTES
#define BYTES PJRT_Api_STRUCT_SIZE
#endif
#ifndef MAJOR
#define MAJOR PJRT_API_MAJOR
#endif
#ifndef MINOR
#define MINOR PJRT_API_MINOR
#endif

static const char *const reason = "INTERNAL: no visible GPU devices";

static void destroy(PJRT_Error_Destroy_Args *a) { (void)a; }
static void message(PJRT_Error_Message_Args *a) { a->message = reason, a->message_size = strlen(reason); }
static PJRT_Error *code(PJRT_Error_GetCode_Args *a) { return a->code = PJRT_Error_Code_INTERNAL, NULL; }
static PJRT_Error *initialize(PJRT_Plugin_Initialize_Args *a) { return (void)a, NULL; }
static PJRT_Error *attributes(PJRT_Plugin_Attributes_Args *a) { return a->num_attributes = 0, NULL; }
static PJRT_Error *destroy_client(PJRT_Client_Destroy_Args *a) { return (void)a, NULL; }
static PJRT_Error *name(PJRT_Client_PlatformName_Args *a) { return a->platform_name = "none", a->platform_name_size = 4, NULL; }
static PJRT_Error *process(PJRT_Client_ProcessIndex_Args *a) { return a->process_index = 0, NULL; }
static PJRT_Error *version(PJRT_Client_PlatformVersion_Args *a) { return a->platform_version = "0", a->platform_version_size = 1, NULL; }
static PJRT_Error *devices(PJRT_Client_AddressableDevices_Args *a) { return a->num_addressable_devices = 0, NULL; }
static PJRT_Error *create(PJRT_Client_Create_Args *a) {
#ifdef EMPTY
  static int client;
  return a->client = (PJRT_Client *)&client, NULL;
#else
  return (void)a, (PJRT_Error *)reason;
#endif
}

const PJRT_Api *GetPjrtApi(void) {
#ifdef NOTHING
  return NULL;
#endif
  static PJRT_Api api = {.struct_size = BYTES, .pjrt_api_version = {PJRT_Api_Version_STRUCT_SIZE, NULL, MAJOR, MINOR}};
  if (BYTES < PJRT_Api_STRUCT_SIZE || MINOR < 57 || MAJOR) return &api; /* calling one of its functions crashes */
  api.PJRT_Error_Destroy = destroy;
  api.PJRT_Error_Message = message;
  api.PJRT_Error_GetCode = code;
  api.PJRT_Plugin_Initialize = initialize;
  api.PJRT_Plugin_Attributes = attributes;
  api.PJRT_Client_Create = create;
  api.PJRT_Client_Destroy = destroy_client;
  api.PJRT_Client_PlatformName = name;
  api.PJRT_Client_ProcessIndex = process;
  api.PJRT_Client_PlatformVersion = version;
  api.PJRT_Client_AddressableDevices = devices;
  return &api;
}
