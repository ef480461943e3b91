// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Volumes as files in one directory, and everything else a repository in a directory needs. Shared
 * by the drivers whose medium is a file system.
 */
package dev.varve.sr.files;
