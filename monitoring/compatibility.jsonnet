// compatibility-*.yaml, made by `make alerts`.
local compatibility = import 'compatibility.libsonnet';
{
  ['compatibility-%s.yaml' % std.strReplace(name, '_', '-')]:
    '# Made of compatibility.libsonnet by `make alerts`: change that, not this. docs/compare.md explains it.\n' +
    std.manifestYamlDoc(compatibility[name], quote_keys=false) + '\n'
  for name in std.objectFields(compatibility)
}
