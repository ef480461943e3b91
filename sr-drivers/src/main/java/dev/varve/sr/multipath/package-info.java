// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * One device over several paths that the kernel shows as devices of their own: which path a request
 * takes, what becomes of it when the path fails, and when a path may be used again.
 */
package dev.varve.sr.multipath;
