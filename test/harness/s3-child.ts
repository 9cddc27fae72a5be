// Child of test/harness/s3-server.ts: s3rver, an S3 server that keeps its objects in a folder. It knows
// ranges, multipart uploads and its one account by name; it checks no signature, keeps no versions, and its
// Object Lock is a fiction.
// usage: node s3-child.ts FOLDER PORT BUCKET; prints the port when it listens.
import S3rver from 's3rver';

const [, , directory = '', port = '0', bucket = ''] = process.argv;
const server = new S3rver({
  address: '127.0.0.1',
  port: Number(port),
  directory,
  silent: true,
  configureBuckets: [{ name: bucket, configs: [] }],
});
const { port: listening } = await server.run();
process.stdout.write(`${listening}\n`);
// It ends with whoever started it.
process.stdin.resume().on('end', () => process.exit(0));
