// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Claims of several hosts on the disks of one volume group, who of them owns its metadata, and what
 * the others ask of that one: all of it in one small area of the shared device, without a network
 * between the hosts and without locks of a system.
 */
package dev.varve.sr.lvm.shared;
