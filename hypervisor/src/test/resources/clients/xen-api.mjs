// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.
//
// Drives the client `xen-api` against a daemon and says what it saw, one line for each step.
// usage: node xen-api.mjs DIRECTORY_OF_NODE_MODULES URL TRANSPORT PASSWORD LOCATION
// The last step, which is the loss of the session, is this script's too: it ends its own.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [modules, url, transport, password, location] = process.argv.slice(2)
const require = createRequire(modules + '/')
const { createClient } = await import(pathToFileURL(require.resolve('xen-api')).href)

const json = transport !== 'xml-rpc'
const auth = { user: 'root', password }
const done = step => console.log('done: ' + step)

// A client that hangs is a failure of the server; the daemon's test should see a reason.
setTimeout(() => {
  console.error('the client hangs')
  process.exit(2)
}, 60_000).unref()

const failure = async promise => {
  try {
    await promise
  } catch (error) {
    return error
  }
  assert.fail('there should have been an error')
}

const wrong = createClient({ url, transport, auth: { user: 'root', password: 'wrong one' }, watchEvents: false })
assert.equal((await failure(wrong.connect())).code, 'SESSION_AUTHENTICATION_FAILED')
done('a wrong password is refused')

// While it logs in again, its loop of events may find no session and then waits for so long.
const xapi = createClient({ url, transport, auth, debounce: 10, eventPollDelay: 100 })
await xapi.connect()
await xapi.objectsFetched
const all = Object.values(xapi.objects.all)
const host = all.find(object => object.$type === 'host')
assert.equal(xapi.pool.$master.$ref, host.$ref)
assert.ok(all.some(object => object.$type === 'VM' && object.is_control_domain))
done('all objects are there')

const seen = { add: new Set(), update: new Set(), remove: new Set() }
for (const kind of Object.keys(seen)) {
  xapi.objects.on(kind, objects => Object.keys(objects).forEach(id => seen[kind].add(id)))
}

const config = [host.$ref, { location }, json ? 0 : '0', 'one', 'of npm', 'fake', '', false, {}]
const srRef = await xapi.callAsync('SR.create', ...config)
const sr = await xapi.barrier(srRef)
assert.equal(sr.$type, 'SR')
assert.equal(sr.name_label, 'one')
done('a call that nobody waits for gives its result by a task')

const name = 'disk <&> \u00e9\u{1f600} "quoted"\nnext line'
const vdiRef = await xapi.call('VDI.create', {
  SR: srRef,
  name_label: name,
  name_description: '',
  virtual_size: json ? 1048576 : '1048576',
  type: 'user',
  sharable: false,
  read_only: false,
  other_config: {},
})
let vdi = await xapi.barrier(vdiRef)
assert.equal(vdi.name_label, name)
assert.equal(vdi.$SR.$ref, srRef)
assert.equal(Number(vdi.virtual_size), 1048576)
assert.equal(typeof vdi.virtual_size, json ? 'number' : 'string')
done('a new object arrives by an event')

await xapi.setField('VDI', vdiRef, 'name_label', 'renamed')
await xapi.setFieldEntries('VDI', vdiRef, 'other_config', { a: '1', b: '' })
await xapi.setFieldEntry('VDI', vdiRef, 'other_config', 'a', '2')
await xapi.setFieldEntry('VDI', vdiRef, 'other_config', 'c', null)
vdi = await xapi.barrier(vdiRef)
assert.equal(vdi.name_label, 'renamed')
assert.deepEqual({ ...vdi.other_config }, { a: '2', b: '' })
done('changes arrive by events')

const snapshotRef = await xapi.callAsync('VDI.snapshot', vdiRef)
const snapshot = await xapi.barrier(snapshotRef)
assert.equal(snapshot.$snapshot_of.$ref, vdiRef)
assert.equal(snapshot.is_a_snapshot, true)
done('a snapshot knows its disk')

const small = await failure(xapi.callAsync('VDI.resize', vdiRef, json ? 1 : '1'))
assert.match(small.code, /^(VDI_TOO_SMALL|SR_BACKEND_FAILURE_)/)
const unknown = await failure(xapi.call('VDI.get_record', 'OpaqueRef:none'))
assert.equal(unknown.code, 'HANDLE_INVALID')
assert.deepEqual(unknown.params, ['VDI', 'OpaqueRef:none'])
done('errors have their codes')

const task = await xapi.createTask('of npm', 'described')
assert.equal((await xapi.barrier(task)).status, 'pending')
const cancelled = failure(xapi.watchTask(task))
await xapi.call('task.cancel', task)
assert.equal((await cancelled).toString(), 'Cancel: task canceled')
done('a task of the client can be cancelled')

await xapi.call('VDI.destroy', snapshotRef)
await xapi.call('VDI.destroy', vdiRef)
await xapi.barrier()
assert.equal(xapi.getObject(vdiRef, undefined), undefined)
await new Promise(resolve => {
  const look = () => (seen.remove.has(vdi.$id) ? resolve() : xapi.objects.once('remove', () => setImmediate(look)))
  look()
})
assert.ok(seen.add.has(vdi.$id))
done('an object that is gone goes by an event')

const before = xapi.sessionId
await xapi._call('session.logout', [before])
const records = await xapi.getAllRecords('SR')
assert.equal(records.length, 1)
assert.notEqual(xapi.sessionId, before)
await xapi.call('SR.set_name_label', srRef, 'after')
assert.equal((await xapi.barrier(srRef)).name_label, 'after')
done('a session that was lost is made anew, and events go on')

const last = xapi.sessionId
await xapi.disconnect()
const other = createClient({ url, transport, auth, watchEvents: false })
await other.connect()
assert.equal((await failure(other._call('SR.get_all', [last]))).code, 'SESSION_INVALID')
await other.disconnect()
done('the session ends with the client')
process.exit(0)
