// Run on the controller with name, labels and description set; without labels the resource goes.
def manager = org.jenkins.plugins.lockableresources.LockableResourcesManager.get()
def resource = manager.fromName(name)
if (labels) {
  if (resource == null) {
    manager.createResourceWithLabel(name, labels)
    resource = manager.fromName(name)
  }
  resource.setLabels(labels)
  resource.setDescription(description)
} else if (resource?.description?.contains('[virtci ') && !resource.locked) {
  manager.resources.remove(resource)
}
manager.save()
println 'virtci: done'
