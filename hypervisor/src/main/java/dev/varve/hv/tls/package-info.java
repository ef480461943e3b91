// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The certificate that the host shows to clients on the network. */
package dev.varve.hv.tls;
