#!/bin/bash
# Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.
#
# What the lab guest runs: udev and the drivers of its adapters, then the steps in Java.
mkdir -p /run/udev
# Nobody but the daemon uses its groups; lvm2 would map the volumes of each disk that comes.
echo 'activation { auto_activation_volume_list = [ ] }' >/etc/lvm/lvmlocal.conf
/lib/systemd/systemd-udevd --daemon
modprobe -a mptsas megaraid_sas virtio_scsi sd_mod sg
udevadm trigger
udevadm settle --timeout=60
echo "devices are there after $(cut -d' ' -f1 /proc/uptime) s"
/opt/jdk/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m --enable-native-access=ALL-UNNAMED \
    -cp @CLASS_PATH@ dev.varve.sr.driver.lvmohba.LabGuest @STEPS@
echo "ended after $(cut -d' ' -f1 /proc/uptime) s"
