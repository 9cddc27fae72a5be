// Certificates for tests of TLS on both sides: a CA, and what it signs; ECDSA P-256, PEM.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  /** A certificate for a DNS name; `days` may lie in the past. */
  issue(name: string, days?: readonly [number, number]): Promise<TestCertificate>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const serial = (): string => `01${randomBytes(15).toString('hex')}`;
const dayMs = 86_400_000;
const validity = ([from, until]: readonly [number, number]) => ({
  notBefore: new Date(Date.now() + from * dayMs),
  notAfter: new Date(Date.now() + until * dayMs),
});
const pem = (certificate: X509Certificate): string => `${certificate.toString('pem')}\n`;

export async function newAuthority(): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const common = { signingAlgorithm: algorithm };
  const ca = await X509CertificateGenerator.createSelfSigned(
    {
      ...common,
      ...validity([-30, 30]),
      serialNumber: serial(),
      name: 'CN=test authority',
      keys,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    },
    webcrypto,
  );
  return {
    certificate: pem(ca),
    async issue(name, days = [-1, 30]) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await X509CertificateGenerator.create(
        {
          ...common,
          ...validity(days),
          serialNumber: serial(),
          subject: 'CN=test',
          issuer: ca.subject,
          publicKey: own.publicKey,
          signingKey: keys.privateKey,
          extensions: [
            new BasicConstraintsExtension(false, undefined, true),
            new ExtendedKeyUsageExtension([
              ExtendedKeyUsage.serverAuth,
              ExtendedKeyUsage.clientAuth,
            ]),
            new SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
          ],
        },
        webcrypto,
      );
      const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', own.privateKey);
      return {
        certificate: pem(certificate),
        key: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
      };
    },
  };
}
