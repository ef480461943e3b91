// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The repository type {@code file}: a directory of this host. */
package dev.varve.sr.driver.file;
