# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Good options of every kind, to be spoilt: each kind's options occur in one of its samples at least."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, list[dict[str, Any]]] = {
    "ovs_bridge": [
        {
            "name": "nvtbr0",
            "state": "present",
            "datapath_type": "netdev",
            "fail_mode": "secure",
            "protocols": ["OpenFlow13", "OpenFlow14"],
            "controllers": ["tcp:192.0.2.1:6653"],
            "datapath_id": "00000000000000aa",
            "hwaddr": "02:00:00:00:00:0a",
            "mac_table_size": 50000,
            "stp": True,
            "rstp": False,
            "mcast_snooping": True,
            "external_ids": {"a": "b"},
            "other_config": {"mac-aging-time": "60"},
        },
        {"name": "nvtfake", "parent": "nvtbr0", "vlan": 7, "external_ids": {"x": "y"}},
    ],
    "ovs_port_vlan": [
        {
            "name": "nvtp0",
            "state": "present",
            "bridge": "nvtbr0",
            "mode": "access",
            "tag": 10,
            "type": "internal",
            "mtu": 1400,
            "mac": "02:00:00:00:00:01",
            "ofport_request": 5,
            "ingress_policing_rate": 1000,
            "ingress_policing_burst": 100,
            "protected": True,
            "external_ids": {"iface-id": "x"},
            "other_config": {"a": "1"},
            "move": False,
            "device_required": True,
        },
        {"name": "nvtp1", "bridge": "nvtbr0", "mode": "native-tagged", "tag": 3, "trunks": [1, 2, 3], "cvlans": [1]},
        {"name": "nvtp4", "bridge": "nvtbr0", "ipv6": False, "device_required": False},
        {"name": "nvtp2", "bridge": "nvtbr0", "type": "patch", "peer": "nvtp3", "mode": "trunk", "trunks": "all"},
        {
            "name": "nvtbond",
            "bridge": "nvtbr0",
            "bond_mode": "balance-slb",
            "lacp": "active",
            "bond_updelay": 100,
            "bond_downdelay": 10,
            "device_required": False,
            "interfaces": [{"name": "nvtm0", "mtu": 1500, "ipv6": False}, {"name": "nvtm1", "type": "internal"}],
        },
    ],
    "ovs_tunnel": [
        {
            "name": "nvtun",
            "bridge": "nvtbr0",
            "type": "vxlan",
            "remotes": ["192.0.2.2", "192.0.2.3"],
            "local_ip": "192.0.2.1",
            "key": "42",
            "dst_port": 4790,
            "ttl": "64",
            "tos": "inherit",
            "csum": True,
            "df_default": False,
            "bfd": {"enable": "true"},
            "protected": True,
            "external_ids": {"a": "b"},
        },
        {"name": "nvtgre", "state": "present", "bridge": "nvtbr0", "type": "gre", "remote": "2001:db8::2", "key": 7},
    ],
    "ovs_db": [
        {"table": "Bridge", "record": "nvtbr0", "columns": {"other_config": {"x": "1"}, "fail_mode": "secure"}},
        {"table": "Open_vSwitch", "record": ".", "state": "present", "keys": {"external_ids": {"nvt": "1"}}},
        {"table": "Port", "record": "nvtbr0", "columns": {"protected": True, "bond_updelay": 5, "trunks": [1, 2]}},
    ],
    "ovs_flow": [
        {
            "bridge": "nvtbr0",
            "cookie": "0x1f",
            "name": "set",
            "state": "present",
            "flows": ["priority=10,ip,nw_dst=10.0.0.1 actions=drop", "table=1,priority=5,in_port=1 actions=output:2"],
        },
        {"bridge": "nvtbr0", "cookie": 7, "flows": ["arp actions=NORMAL", "priority=0 actions=mod_vlan_vid:5,NORMAL"]},
    ],
    "veth_pair": [
        {
            "name": "nvtv0",
            "state": "present",
            "mtu": 1400,
            "mac": "02:00:00:00:01:01",
            "up": True,
            "master": "nvtlbr",
            "tx_checksum": False,
            "ipv6": False,
            "peer": {"name": "nvtv1", "namespace": "nvtns", "mtu": 1400, "mac": "02:00:00:00:01:02"},
        },
        {
            "name": "nvtv2",
            "namespace": "nvtns",
            "peer": {"name": "nvtv3", "master": "", "tx_checksum": True, "up": True, "ipv6": True},
        },
    ],
    "linux_bridge": [
        {
            "name": "nvtlb1",
            "state": "present",
            "stp": True,
            "forward_delay": 4,
            "ageing_time": 100,
            "mtu": 1400,
            "mac": "02:00:00:00:02:01",
            "up": True,
            "purge_ports": True,
            "ports": [{"name": "nvtx0", "isolated": True}, {"name": "nvtx1"}],
        },
        {
            "name": "nvtlb2",
            "namespace": "nvtns",
            "vlan_filtering": True,
            "vlan_default_pvid": 1,
            "ports": [{"name": "nvtl0", "pvid": 10, "untagged": [10], "tagged": [20, 30]}],
        },
    ],
    "link_vlan": [
        {
            "name": "nvtx0.10",
            "state": "present",
            "parent": "nvtx0",
            "vlan": 10,
            "protocol": "802.1q",
            "mtu": 1400,
            "mac": "02:00:00:00:03:01",
            "up": True,
        },
        {"name": "nvtvl", "namespace": "nvtns", "parent": "nvtl0", "parent_namespace": "nvtns", "vlan": 4094},
    ],
    "link_unmanaged": [{"name": "nvtx0", "state": "present"}],
    "link_bond": [
        {
            "name": "nvtbd",
            "state": "present",
            "mode": "active-backup",
            "members": ["nvtx0", "nvtx1"],
            "miimon": 100,
            "updelay": 100,
            "downdelay": 200,
            "primary": "nvtx0",
            "min_links": 0,
            "mtu": 1500,
            "mac": "02:00:00:00:04:01",
            "up": True,
            "xmit_hash_policy": "layer2",
        },
        {"name": "nvtbd2", "namespace": "nvtns", "mode": "802.3ad", "lacp_rate": "fast", "members": ["nvtl0"]},
    ],
    "bridge_uplink": [
        {"name": "nvtx0", "state": "present", "bridge": "nvtbr0", "vlan": 5, "confirm_timeout": 30},
        {"name": "nvtx1", "state": "absent", "bridge": "nvtlbr"},
    ],
    "ip_interface": [
        {
            "name": "nvtx0",
            "state": "present",
            "addresses": ["10.9.0.1/24", "2001:db8:9::1/64"],
            "mtu": 1400,
            "purge_addresses": True,
            "mac": "02:00:00:00:05:01",
            "up": True,
            "routes": [
                {"destination": "10.10.0.0/16", "via": "10.9.0.254", "metric": 5, "source": "10.9.0.1"},
                {"destination": "default6", "via": "2001:db8:9::ff", "onlink": True},
            ],
        },
        {"name": "nvtl0", "namespace": "nvtns", "addresses": ["10.9.1.1/32"], "purge_addresses": False, "up": True},
        {"name": "nvtx1", "namespace": "nvtns", "ipv6": False},
    ],
    "netns_router": [
        {
            "name": "nvtns2",
            "state": "present",
            "ip_forward": True,
            "ipv6_forward": True,
            "rp_filter": 2,
            "interfaces": [{"name": "nvtx0", "addresses": ["10.8.0.1/24"], "mtu": 1400, "up": True, "ipv6": True}],
            "routes": [{"destination": "10.7.0.0/16", "via": "10.8.0.9", "interface": "nvtx0", "metric": 9}],
            "sysctls": {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.ip_default_ttl": 65},
        },
        {"name": "nvtns", "interfaces": [{"name": "nvtl0", "addresses": [], "purge_addresses": True}]},
    ],
    "nat_inbound": [
        {
            "name": "inbound",
            "namespace": "nvtns",
            "state": "present",
            "out_interface": "nvtl0",
            "floating_ips": [{"address": "192.0.2.20", "to": "10.0.0.5"}],
            "port_forwards": [
                {"protocol": "udp", "address": "192.0.2.9", "port": "8000-8010", "to": "10.0.0.6", "to_port": 9000}
            ],
        },
        {"name": "other", "namespace": "nvtns", "out_interface": "nvtl0", "floating_ips": []},
    ],
    "nat_masquerade": [
        {
            "name": "nat",
            "namespace": "nvtns",
            "state": "present",
            "sources": ["10.0.0.0/24", "2001:db8::/64"],
            "exclude_destinations": ["10.0.0.0/8"],
            "out_interface": "nvtl0",
            "inbound": "drop",
            "to_source": ["192.0.2.9", "2001:db8::9"],
        },
        {"name": "other", "namespace": "nvtns", "sources": ["10.1.0.0/24"]},
    ],
    "packet_filter": [
        {
            "name": "filter",
            "namespace": "nvtns",
            "state": "present",
            "blocked": [{"interface": "nvtl0", "destinations": ["10.0.20.0/24", "2001:db8:20::/64"]}],
            "ports": [
                {"interface": "nvtl0", "sources": ["10.0.10.0/24", "2001:db8:10::/64"]},
                {"interface": "nvtl1", "sources": []},
            ],
            "admitted": [{"from": ["nvtl0"], "to": ["nvtl1"]}],
            "rules": [
                {
                    "name": "no-mail",
                    "action": "reject",
                    "from": ["nvtl0"],
                    "to": ["nvtl1"],
                    "source": "10.0.10.0/24",
                    "destination": "192.0.2.0/24",
                    "protocol": "tcp",
                    "ports": ["25", "8000-8010"],
                    "log": True,
                }
            ],
        },
        {
            "name": "other",
            "isolated_interfaces": ["nvtx0", "nvtx1"],
            "tunnel_endpoints": [
                {"address": "192.0.2.1", "interface": "nvtx2", "protocol": "gre"},
                {"address": "2001:db8::1", "interface": "nvtx3", "protocol": "udp", "port": 4789},
            ],
        },
    ],
    "kvm_guest": [
        {
            "name": "nvtg",
            "state": "present",
            "uuid": "8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a55",
            "memory": 96,
            "vcpus": 1,
            "interfaces": [
                {"tap": "nvttap0", "mac": "52:54:00:aa:bb:01", "mtu": 1446, "offload": True},
                {"tap": "nvttap1", "mac": "52:54:00:aa:bb:02"},
            ],
            "image": "/srv/nvt/image.qcow2",
            "kernel": "/srv/nvt/vmlinuz",
            "initrd": "/srv/nvt/initrd.img",
            "cmdline": "console=ttyS0 quiet",
            "accelerator": "tcg",
            "stop_timeout": 5,
            "allow_restart": False,
        },
        {
            "name": "nvtg2",
            "uuid": "8f7c3c1e-6a7f-4d51-9d0b-1f8e2f8f1a56",
            "memory": 32,
            "vcpus": 1,
            "interfaces": [],
            "accelerator": "tcg",
            "allow_restart": True,
        },
    ],
    "dnsmasq_netns": [
        {
            "name": "nvtdhcp",
            "state": "present",
            "namespace": "nvtns",
            "interface": "nvtl0",
            "ranges": [
                {"start": "10.5.0.100", "end": "10.5.0.200", "prefix": 24, "lease": "24h"},
                {"start": "2001:db8:5::100", "end": "2001:db8:5::1ff", "prefix": 64, "mode": "dynamic"},
                {"start": "::", "mode": "ra-stateless"},
            ],
            "hosts": [
                {"mac": "02:00:00:00:06:01", "address": "10.5.0.7", "hostname": "vm1", "lease": "infinite"},
                {"mac": "02:00:00:00:06:01", "address": "2001:db8:5::7"},
            ],
            "router": "10.5.0.1",
            "ra_router": True,
            "dns_servers": ["10.5.0.1", "2001:db8:5::1"],
            "dns_forwarders": ["192.0.2.53"],
            "domain": "example.org",
            "mtu": 1400,
            "options": [{"option": "ntp-server", "value": ["192.0.2.1"]}, {"option": "119", "value": "a.example"}],
            "tftp_root": "/tmp",
            "boot_file": "pxelinux.0",
            "boot_server": "192.0.2.2",
        },
        {"name": "nvtd2", "namespace": "nvtns", "interface": "nvtl0", "ranges": [], "options": []},
    ],
}


def resources() -> list[list[dict[str, Any]]]:
    """Return lists for ``apply``: one of each kind, and two of a kind."""
    mixed = [{kind: samples[0]} for kind, samples in KINDS.items()]
    return [mixed[:7], mixed[7:], *([{kind: sample} for sample in samples] for kind, samples in KINDS.items())]
