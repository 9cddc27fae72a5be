// Checks of the machine and of the home: Node, folder, disk, first passwords, certificate.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DoctorCheck } from './doctor-check.ts';

const gigabyte = 1024 ** 3;
const freeBytesLow = 5 * gigabyte;
const freeBytesBad = gigabyte / 2;
const certificateDaysLow = 21;

export const nodeCheck: DoctorCheck = {
  name: 'node',
  look() {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major > 24 || (major === 24 && minor >= 11)) {
      return { verdict: 'good', text: process.version };
    }
    return { verdict: 'bad', text: `${process.version} is too old`, hint: 'run npm start once' };
  },
};

export const homeCheck: DoctorCheck = {
  name: 'home',
  look({ config, running }) {
    if (!existsSync(config.home)) {
      return { verdict: 'bad', text: `${config.home} does not exist`, hint: 'run npm start once' };
    }
    const open = (statSync(config.home).mode & 0o077) !== 0;
    const text = `${config.home}, ${running ? 'a server runs' : 'no server runs'}`;
    if (!open) return { verdict: 'good', text };
    const hint = `chmod 700 ${config.home}`;
    return { verdict: 'warning', text: `${text}; others on this machine may enter it`, hint };
  },
};

export const diskCheck: DoctorCheck = {
  name: 'disk',
  look({ config }) {
    if (!existsSync(config.home)) return { verdict: 'warning', text: 'no home yet' };
    const { bavail, bsize } = statfsSync(config.home);
    const free = bavail * bsize;
    const text = `${(free / gigabyte).toFixed(1)} GiB free`;
    if (free < freeBytesBad) {
      return { verdict: 'bad', text, hint: 'free space: intake answers 4xx when the disk is full' };
    }
    if (free < freeBytesLow) return { verdict: 'warning', text, hint: 'add space soon' };
    return { verdict: 'good', text };
  },
};

export const firstRunCheck: DoctorCheck = {
  name: 'first passwords',
  look({ config }) {
    const file = join(config.home, 'first-run.txt');
    if (!existsSync(file)) return { verdict: 'good', text: 'no file of one-time passwords' };
    return {
      verdict: 'warning',
      text: `${file} still exists`,
      hint: 'change the one-time passwords (postseal person password), then delete the file',
    };
  },
};

/** `checkIssued` asks for a CA's key usage, which a server's own certificate has not. */
const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey);

export const certificateCheck: DoctorCheck = {
  name: 'certificate',
  look({ config, now }) {
    const path = config.tls.certificate ?? join(config.home, 'tls', 'certificate.pem');
    if (!existsSync(path)) return { verdict: 'warning', text: 'none yet: made at the first start' };
    const certificate = new X509Certificate(readFileSync(path));
    const days = Math.floor((certificate.validToDate.getTime() - now) / 86_400_000);
    const own = isSelfSigned(certificate);
    const text = `${own ? 'self-signed' : 'issued'}, valid for ${days} days`;
    if (days < 0)
      return { verdict: 'bad', text: 'expired', hint: 'replace tls.certificate and tls.key' };
    if (days < certificateDaysLow) return { verdict: 'warning', text, hint: 'renew it' };
    if (own)
      return {
        verdict: 'warning',
        text,
        hint: 'set tls.certificate and tls.key to one that clients trust',
      };
    return { verdict: 'good', text };
  },
};
