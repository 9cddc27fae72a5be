/* A PKCS #11 module for tests: the real one behind it, whose calls fail, come late or do not come back, as
 * the lines of a control file say. Devices on a network do that; software tokens never do by themselves.
 * Compiled by faulty-module.ts, which says where the real module and the control file are. The file is
 * read at every call, one rule a line:
 *   C_Encrypt fail 48       the call answers this return value (decimal)
 *   C_Sign delay 400        the call takes so many milliseconds more
 *   C_Login hang            the call does not come back as long as this line is there
 *   mechanism hide 4231     the token does not have this mechanism (decimal) */
#define CK_PTR *
#define CK_DEFINE_FUNCTION(returnType, name) returnType name
#define CK_DECLARE_FUNCTION(returnType, name) returnType name
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <dlfcn.h>
#include <pkcs11/pkcs11.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;

/* The number of the rule `name verb`, or -1 where there is none. */
static long rule(const char *name, const char *verb) {
  char line[256], who[128], what[128];
  long number = -1;
  FILE *file = fopen(CONTROL_FILE, "r");
  if (file == 0) return -1;
  while (number < 0 && fgets(line, sizeof line, file) != 0) {
    long read = 0;
    int fields = sscanf(line, "%127s %127s %ld", who, what, &read);
    if (fields >= 2 && strcmp(who, name) == 0 && strcmp(what, verb) == 0) number = read;
  }
  fclose(file);
  return number;
}

static int hidden(CK_MECHANISM_TYPE type) {
  char line[256];
  unsigned long number;
  int found = 0;
  FILE *file = fopen(CONTROL_FILE, "r");
  if (file == 0) return 0;
  while (!found && fgets(line, sizeof line, file) != 0) {
    found = sscanf(line, "mechanism hide %lu", &number) == 1 && number == type;
  }
  fclose(file);
  return found;
}

/* Waits as the rules say, then says what the call shall answer: CKR_OK to go on. */
static CK_RV before(const char *name) {
  long delay = rule(name, "delay"), fail;
  if (delay > 0) usleep((useconds_t) delay * 1000);
  while (rule(name, "hang") >= 0) usleep(10000);
  fail = rule(name, "fail");
  return fail > 0 ? (CK_RV) fail : CKR_OK;
}

/* A call that fails before the token has done anything. */
#define CALL(name, parameters, arguments) \
  static CK_RV faulty_##name parameters { \
    CK_RV answer = before(#name); \
    return answer != CKR_OK ? answer : real->name arguments; \
  }
/* One that ends its operation all the same, as PKCS #11 wants it (v2.40 5.8 to 5.11). */
#define ENDS(name, parameters, arguments) \
  static CK_RV faulty_##name parameters { \
    CK_RV answer = before(#name), result = real->name arguments; \
    return answer != CKR_OK ? answer : result; \
  }
/* One that begins an operation of a mechanism, which may be hidden. */
#define BEGINS(name) \
  static CK_RV faulty_##name(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k) { \
    CK_RV answer = before(#name); \
    if (answer == CKR_OK && hidden(m->mechanism)) answer = CKR_MECHANISM_INVALID; \
    return answer != CKR_OK ? answer : real->name(s, m, k); \
  }

CALL(C_Initialize, (CK_VOID_PTR a), (a))
CALL(C_GetSlotList, (CK_BBOOL p, CK_SLOT_ID_PTR l, CK_ULONG_PTR c), (p, l, c))
CALL(C_GetTokenInfo, (CK_SLOT_ID s, CK_TOKEN_INFO_PTR i), (s, i))
CALL(C_OpenSession, (CK_SLOT_ID s, CK_FLAGS f, CK_VOID_PTR a, CK_NOTIFY n, CK_SESSION_HANDLE_PTR o),
     (s, f, a, n, o))
CALL(C_Login, (CK_SESSION_HANDLE s, CK_USER_TYPE u, CK_UTF8CHAR_PTR p, CK_ULONG l), (s, u, p, l))
CALL(C_FindObjectsInit, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG c), (s, t, c))
CALL(C_GenerateKey,
     (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG c, CK_OBJECT_HANDLE_PTR k),
     (s, m, t, c, k))
CALL(C_GenerateKeyPair,
     (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG c, CK_ATTRIBUTE_PTR u,
      CK_ULONG d, CK_OBJECT_HANDLE_PTR k, CK_OBJECT_HANDLE_PTR l),
     (s, m, t, c, u, d, k, l))
CALL(C_DestroyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o))
BEGINS(C_EncryptInit)
BEGINS(C_DecryptInit)
BEGINS(C_SignInit)
ENDS(C_Encrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR d, CK_ULONG l, CK_BYTE_PTR o, CK_ULONG_PTR n),
     (s, d, l, o, n))
ENDS(C_Decrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR d, CK_ULONG l, CK_BYTE_PTR o, CK_ULONG_PTR n),
     (s, d, l, o, n))
ENDS(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE_PTR d, CK_ULONG l, CK_BYTE_PTR o, CK_ULONG_PTR n),
     (s, d, l, o, n))

static CK_RV faulty_C_GetMechanismList(CK_SLOT_ID s, CK_MECHANISM_TYPE_PTR types, CK_ULONG_PTR count) {
  CK_ULONG kept = 0, i;
  CK_RV result = before("C_GetMechanismList");
  if (result == CKR_OK) result = real->C_GetMechanismList(s, types, count);
  if (result != CKR_OK || types == 0) return result;
  for (i = 0; i < *count; i += 1) {
    if (!hidden(types[i])) types[kept++] = types[i];
  }
  *count = kept;
  return CKR_OK;
}

#define TAKE(name) list.name = faulty_##name

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (real == 0) {
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR);
    CK_RV result;
    void *library = dlopen(REAL_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (library == 0) return CKR_GENERAL_ERROR;
    get = (CK_RV (*)(CK_FUNCTION_LIST_PTR_PTR)) dlsym(library, "C_GetFunctionList");
    result = get(&real);
    if (result != CKR_OK) return result;
    list = *real;
    TAKE(C_Initialize);
    TAKE(C_GetSlotList);
    TAKE(C_GetTokenInfo);
    TAKE(C_GetMechanismList);
    TAKE(C_OpenSession);
    TAKE(C_Login);
    TAKE(C_FindObjectsInit);
    TAKE(C_GenerateKey);
    TAKE(C_GenerateKeyPair);
    TAKE(C_DestroyObject);
    TAKE(C_EncryptInit);
    TAKE(C_Encrypt);
    TAKE(C_DecryptInit);
    TAKE(C_Decrypt);
    TAKE(C_SignInit);
    TAKE(C_Sign);
  }
  *out = &list;
  return CKR_OK;
}
