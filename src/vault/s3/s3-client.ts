// How we speak to the store: where it is, how long we wait, how often we try again.
import { S3Client } from '@aws-sdk/client-s3';
import type { Secret } from '../../kernel/secret.ts';

export interface S3Place {
  /** URL of the service; undefined: AWS itself, by region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  /** Before every key, without a slash at its end; may be empty. */
  readonly prefix: string;
  /** The bucket in the path in place of the host name: most services beside AWS need it. */
  readonly pathStyle: boolean;
  readonly accessKeyId: Secret;
  readonly secretAccessKey: Secret;
}

/** Tries of one call, with growing, jittered pauses between them (the SDK's standard mode). */
const attemptsMax = 4;
const connectMs = 3_000;
/** Without a byte in either direction; a commit waits for all tries of one call. */
const silenceMs = 5_000;
const socketsMax = 32;

export function createS3Client(place: S3Place): S3Client {
  return new S3Client({
    region: place.region,
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    forcePathStyle: place.pathStyle,
    credentials: {
      accessKeyId: place.accessKeyId.exposeText(),
      secretAccessKey: place.secretAccessKey.exposeText(),
    },
    maxAttempts: attemptsMax,
    retryMode: 'standard',
    // Checksums of our own choice (s3-objects.ts): trailers are unknown to most stores beside AWS.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      httpAgent: { keepAlive: true, maxSockets: socketsMax },
      httpsAgent: { keepAlive: true, maxSockets: socketsMax },
    },
    // The SDK would look for profiles and metadata services; everything it may know is above.
    useArnRegion: false,
  });
}
