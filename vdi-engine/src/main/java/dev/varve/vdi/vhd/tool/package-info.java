// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The command {@code varve vhd}, which looks at VHD files without a daemon. */
package dev.varve.vdi.vhd.tool;
