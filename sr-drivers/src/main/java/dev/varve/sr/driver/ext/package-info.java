// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The repository type {@code ext}: a block device with an ext4 file system of its own. */
package dev.varve.sr.driver.ext;
