// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Live moves of a VDI between storage repositories and Storage XenMotion between hosts. The package
 * holds nothing yet: the mirror filter, the snapshot copier and the move plan arrive with the work
 * on live migration.
 */
package dev.varve.migration;
