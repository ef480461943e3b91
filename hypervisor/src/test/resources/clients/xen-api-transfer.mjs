// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.
//
// Sends a file into a disk with the client `xen-api`, fetches it back, and says what it saw.
// usage: node xen-api-transfer.mjs DIRECTORY_OF_NODE_MODULES URL PASSWORD VDI FORMAT FILE TARGET

import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'

const [modules, url, password, vdi, format, file, target] = process.argv.slice(2)
const require = createRequire(modules + '/')
const { createClient, isOpaqueRef } = await import(pathToFileURL(require.resolve('xen-api')).href)
const done = step => console.log('done: ' + step)

// A client that hangs is a failure of the server; the daemon's test should see a reason.
setTimeout(() => {
  console.error('the client hangs')
  process.exit(2)
}, 120_000).unref()

const xapi = createClient({ url, auth: { user: 'root', password }, debounce: 10, eventPollDelay: 100 })
await xapi.connect()
await xapi.objectsFetched

const put = async known => {
  const body = createReadStream(file)
  if (known) {
    body.length = (await stat(file)).size
  }
  const task = await xapi.call('task.create', 'put', 'a disk comes in')
  await xapi.putResource(body, '/import_raw_vdi/', { query: { format, vdi }, task })
}
await put(true)
done('a stream with its length comes in')
await put(false)
done('a stream without its length comes in')

const task = await xapi.call('task.create', 'get', 'a disk goes out')
const response = await xapi.getResource('/export_raw_vdi/', { query: { format, vdi }, task })
assert.ok(Number(response.headers['content-length']) > 0)
await pipeline(response.body, createWriteStream(target))
await response.task
done('a stream goes out')

await xapi.disconnect()
process.exit(0)
