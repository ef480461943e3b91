// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The repository type {@code lvm}. */
package dev.varve.sr.driver.lvm;
