// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * A deterministic simulation of disks on a host that loses its power: the real lane, disk, image
 * layer and filters over a clock and a medium that are made up. One thread; everything follows from
 * one {@link dev.varve.sim.Seed}.
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
 *   <li><b>Guests that write metadata</b>: the image's own footer where a reader may look for one.
 *   <li><b>Images of others</b>: smaller blocks, blocks that begin anywhere, with and without
 *       batmap.
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
 * <h2>What is not checked</h2>
 *
 * <ul>
 *   <li>Sectors that come back changed by themselves, reads that fail, flushes that fail: the
 *       medium tells the truth and does what it is told. Full stores.
 *   <li>What a guest gets that sends overlapping requests at the same time.
 *   <li>Sectors of a block whose bit is clear: after a crash they may hold data of writes that were
 *       never acknowledged as safe. We read zeros there; a reader that ignores bitmaps does not.
 *   <li>Several lanes, threads, the control plane, chains of images, and what a store does to make
 *       its own metadata durable.
 *   <li>Whether every byte is read through another program.
 * </ul>
 */
package dev.varve.sim;
