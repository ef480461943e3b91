// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * What stores of volumes have in common, whatever they are made of: what a list of changes comes
 * to, what is kept about a volume, what text can be written.
 */
package dev.varve.sr.store;
