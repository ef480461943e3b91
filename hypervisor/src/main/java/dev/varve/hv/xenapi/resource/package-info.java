// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** What the methods of the API do, class by class. */
package dev.varve.hv.xenapi.resource;
