// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * A deterministic simulation of disks on a host that loses its power: the real lane, disk, image
 * layer and filters over a clock and a medium that are made up. One thread; everything follows from
 * one {@link dev.varve.sim.Seed}.
 *
 * <p>{@link dev.varve.sim.Simulation} is the life of one disk, also of images that other programs
 * made. {@link dev.varve.sim.TreeSimulation} is that of all disks of a repository: the real
 * operations on disks and the real engine over a made-up store, while guests go on. Whoever waits
 * in these runs the lanes meanwhile, so nothing of them is written anew here.
 *
 * <h2>The fault plan: what we claim to survive</h2>
 *
 * <ul>
 *   <li><b>Loss of power at any event</b>: while an image is made, opened, repaired after an
 *       earlier loss, written, made larger, closed. It is taken at random events and, because these
 *       rarely hit the moments that matter, right after a flush of the medium, after a write of the
 *       block table, and at the very moment when a guest is told that something is durable.
 *   <li><b>A volatile write cache</b>: of what was not flushed, each write, whether completed or in
 *       flight, is by itself lost, kept, or <b>torn</b>: any subset of its sectors of 512 or 4096
 *       bytes is kept. Later writes survive earlier ones. A flush covers what completed before it
 *       was submitted, and nothing else. A write with FUA covers itself and the growth before it.
 *   <li><b>Sizes as metadata of a file system</b>: growing and cutting off take effect in order,
 *       and without a flush the last of them are lost. New space reads as zero. Volumes grow to the
 *       byte or in steps, and can be cut off to the byte, to a step, or not at all.
 *   <li><b>Completion in any order</b> after microseconds or, in some plans, up to 400 ms.
 *   <li><b>A discard</b> makes zeros or does nothing.
 *   <li><b>Blocks that are given up</b> and whose places others take, with the power going off
 *       while the table is cleared.
 *   <li><b>Guests that write metadata</b>: the image's own footer where a reader may look for one.
 *   <li><b>Images of others</b>: smaller blocks, blocks that begin anywhere, with and without
 *       batmap.
 * </ul>
 *
 * <p>For trees, besides, on each of the stores:
 *
 * <table>
 * <caption>stores</caption>
 * <tr><th>store</th><th>stands for</th><th>commits</th><th>sizes</th><th>what was not flushed is
 * lost</th></tr>
 * <tr><td>{@link dev.varve.sim.FileSimStore file}</td><td>a directory</td><td>a journal, then one
 * name after the other</td><td>durable in order, with a flush</td><td>with the host's
 * power</td></tr>
 * <tr><td>{@link dev.varve.sim.MemoryVolumeStore memory}</td><td>logical volumes</td><td>one
 * change</td><td>whole extents, durable at once; blocks of 4096 bytes; new space is zero or
 * not</td><td>with the host's power</td></tr>
 * <tr><td>{@link dev.varve.sim.SimServer remote} files, blocks</td><td>NFS, iSCSI</td><td>as the
 * one or the other</td><td>durable at once</td><td>with a restart of the server, whether the host
 * goes on or not</td></tr>
 * </table>
 *
 * <ul>
 *   <li><b>Loss of power at any event</b> of creating, snapshotting one or several disks, cloning,
 *       reverting, copying, making larger, destroying, attaching, detaching, looking at everything,
 *       of merges of up to four pairs of images at once, in both directions, of inner nodes and of
 *       leaves that are written meanwhile, of giving them up and of removing garbage, and of a
 *       store that recovers; often around the moment when a commit of names has happened, or when a
 *       guest is told that something is durable just after its disk has changed over to a new leaf;
 *       and right before and right after each step of the journal of a merge.
 *   <li><b>Commits that fail</b>: before they have happened, or after, with what the store allows
 *       of them in place, to be finished by the next commit: the reply was lost. One in a row.
 *   <li><b>A server that is restarted</b> at any event, up to 24 times while a host is on, and
 *       while none is: it forgets or tears what was not flushed, answers nothing for up to 300 ms,
 *       and the host learns of it with the first reply after it. What was on its way is carried out
 *       after it, also when it had been before. It goes on when the host loses its power: what that
 *       had not flushed is still to be seen, and is lost later.
 *   <li><b>Replies that are lost</b>: the request is carried out a second time.
 *   <li><b>A full store</b>: volumes do not grow, and only what gives room back is committed.
 *   <li><b>New space with something in it</b>, where a store does not make it zero.
 *   <li><b>Volumes that are grown ahead of need</b>, while disks are written, made larger,
 *       detached, and get other leaves; and, of extents, thick ones.
 *   <li><b>One or two lanes</b>, of which one comes late to its tasks now and then; plenty of
 *       memory for metadata or hardly any.
 * </ul>
 *
 * <h2>What is checked</h2>
 *
 * After each loss of power {@code inspect} and {@code open} accept the image; every sector holds
 * the last value that is durable or one that was written since, and holds on to it; the size is the
 * old one or, if that was asked for, the new one, and the new one if that was confirmed. While the
 * power is on every read of the guest is checked, too. After an orderly close, and a loss of power
 * right after it, the image is clean and a second, strict reader finds nothing wrong. A request
 * that never ends, a stage that throws, memory that changes while it is written, a request outside
 * the volume, and writes that overlap in flight are findings.
 *
 * <p>For trees, besides: an operation that was not confirmed has happened wholly or not at all,
 * also one that failed. No image is quarantined, every one rests on an inner node that is there,
 * nothing that was being made is left by {@code recover}, names and marks of snapshots are kept. A
 * snapshot or clone that was confirmed holds what its source held at one instant of the operation,
 * for ever; several snapshots are of one instant: what was begun when something was over that
 * another lacks is in none. One that was not confirmed holds, in each sector, something that its
 * source held since the operation began. Merges change what no disk holds. After an orderly end all
 * images are in order, no metadata is in memory, no inner node is left over; when everything was
 * merged that can be, several images rest on each inner node, so that a disk without snapshots and
 * clones is a single image; and when all disks are destroyed the store is empty.
 *
 * <h2>What is not checked</h2>
 *
 * <ul>
 *   <li>Sectors that come back changed by themselves, reads that fail, flushes that fail: the
 *       medium tells the truth and does what it is told. Commits that fail several times in a row,
 *       and requests that a server carries out after their sender has given up on them.
 *   <li>What a guest gets that sends overlapping requests at the same time.
 *   <li>Sectors of a block whose bit is clear: after a crash they may hold data of writes that were
 *       never acknowledged as safe. We read zeros there; a reader that ignores bitmaps does not.
 *   <li>Threads, and so operations on disks side by side; the control plane; trees with images of
 *       other programs or of kind RAW; and what a real store does to make its own metadata durable,
 *       for which the drivers have tests of their own.
 *   <li>Whether every byte is read through another program.
 * </ul>
 */
package dev.varve.sim;
