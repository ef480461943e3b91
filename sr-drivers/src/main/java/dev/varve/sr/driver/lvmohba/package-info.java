// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Repositories in a volume group on a LUN behind an adapter of this host, over all its paths. */
package dev.varve.sr.driver.lvmohba;
