// A PKCS #11 module that hangs on purpose: the real one behind it, whose signatures and encryptions do not
// come back as long as a file is there. Devices on a network do that; software tokens never do by themselves.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface HangingModule {
  /** Path of the shared library. */
  readonly module: string;
  hang(): void;
  letGo(): void;
  remove(): void;
}

const includes = resolve(import.meta.dirname, '../../node_modules/pkcs11js/includes');

const source = (real: string, file: string): string => `
#define CK_PTR *
#define CK_DEFINE_FUNCTION(returnType, name) returnType name
#define CK_DECLARE_FUNCTION(returnType, name) returnType name
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <dlfcn.h>
#include <unistd.h>
#include <pkcs11/pkcs11.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;

static void wait_here(void) {
  while (access(${JSON.stringify(file)}, F_OK) == 0) usleep(10000);
}
static CK_RV slow_sign(CK_SESSION_HANDLE s, CK_BYTE_PTR d, CK_ULONG dl, CK_BYTE_PTR o, CK_ULONG_PTR ol) {
  wait_here();
  return real->C_Sign(s, d, dl, o, ol);
}
static CK_RV slow_encrypt(CK_SESSION_HANDLE s, CK_BYTE_PTR d, CK_ULONG dl, CK_BYTE_PTR o, CK_ULONG_PTR ol) {
  wait_here();
  return real->C_Encrypt(s, d, dl, o, ol);
}
CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (real == 0) {
    void *library = dlopen(${JSON.stringify(real)}, RTLD_NOW | RTLD_LOCAL);
    if (library == 0) return CKR_GENERAL_ERROR;
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) =
        (CK_RV (*)(CK_FUNCTION_LIST_PTR_PTR)) dlsym(library, "C_GetFunctionList");
    CK_RV result = get(&real);
    if (result != CKR_OK) return result;
    list = *real;
    list.C_Sign = slow_sign;
    list.C_Encrypt = slow_encrypt;
  }
  *out = &list;
  return CKR_OK;
}
`;

/** Compiles it around the module `real`; it does not hang yet. */
export function buildHangingModule(real: string): HangingModule {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-hang-'));
  const [file, module] = [join(folder, 'hang'), join(folder, 'hanging.so')];
  writeFileSync(join(folder, 'hanging.c'), source(real, file));
  const options = ['-shared', '-fPIC', '-I', includes, '-o', module, join(folder, 'hanging.c')];
  execFileSync('cc', [...options, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    module,
    hang: () => writeFileSync(file, ''),
    letGo: () => rmSync(file, { force: true }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
