// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.store.VolumeId;

import java.util.Optional;

/**
 * What has to be known of an image in order to hand a repository back.
 *
 * @param id its volume
 * @param virtualBytes how large the disk is, in bytes
 * @param parent the volume that it rests on
 */
public record ImageFact(VolumeId id, long virtualBytes, Optional<VolumeId> parent) {}
