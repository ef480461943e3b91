// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The metadata of LVM2 volume groups, as it lies on physical volumes: labels, metadata areas, the
 * text that describes a group, and how a group is changed so that a crash leaves the old one or the
 * new one. It needs neither device-mapper nor {@code lvm2}, and what it writes {@code lvm2} reads.
 *
 * <p>{@link dev.varve.sr.lvm.meta.GroupMetadata} is the door: it reads a {@link
 * dev.varve.sr.lvm.meta.VolumeGroup}, a {@link dev.varve.sr.lvm.meta.GroupEdit} makes the next one
 * of it, and a commit writes that.
 */
package dev.varve.sr.lvm.meta;
