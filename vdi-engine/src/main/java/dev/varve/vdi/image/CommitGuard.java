// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

/**
 * Something that has to be durable before the metadata of an image is: before that, nobody would
 * find what was written.
 *
 * <p><b>Threads:</b> the lane's only.
 */
@FunctionalInterface
public interface CommitGuard {
    /**
     * Makes durable what was noted so far.
     *
     * @param then told when that is so, possibly before this returns; after anything but OK the
     *     metadata of the image is not written, and its commit fails
     */
    void beforeCommit(CommitListener then);
}
